# shellcheck shell=bash disable=SC2153
# Takes away what registry-timer.sh has put there. SCRIPT_PATH and UNIT are parameters.
sudo systemctl disable --now --quiet "$UNIT.timer" 2>/dev/null || true
sudo systemctl stop "$UNIT.service" 2>/dev/null || true
sudo rm -f /etc/systemd/system/"$UNIT".{service,timer} "$SCRIPT_PATH"
sudo systemctl daemon-reload
