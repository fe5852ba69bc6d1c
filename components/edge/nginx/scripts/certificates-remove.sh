# shellcheck shell=bash
# Ends the renewal. Account and certificates stay on the data volume: asking for them again counts against the authority's limits.
sudo systemctl disable --now --quiet "$UNIT.timer" 2>/dev/null || true
sudo rm -f "$SCRIPT_PATH" "/etc/systemd/system/$UNIT.service" "/etc/systemd/system/$UNIT.timer"
sudo systemctl daemon-reload
