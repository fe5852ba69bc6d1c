# shellcheck shell=bash disable=SC2153
# Takes away what install.sh has put there. What is in the store stays.
sudo systemctl disable --now --quiet "$UNIT.timer" "$UNIT-drill.timer" 2>/dev/null || true
sudo systemctl stop "$UNIT.service" "$UNIT-drill.service" 2>/dev/null || true
sudo rm -f /etc/systemd/system/"$UNIT"{,-drill}.{service,timer} "$SCRIPT_PATH" "$STORE_FILE" "$AUTHORITY_FILE" "$RECORD"
sudo systemctl daemon-reload
