# shellcheck shell=bash
# Takes IPv6 from the edge again. SCRIPT_PATH and UNIT are parameters.
sudo systemctl disable --quiet --now "$UNIT" 2>/dev/null || true
if [ -x "$SCRIPT_PATH" ]; then sudo "$SCRIPT_PATH" remove; fi
sudo rm -f "$SCRIPT_PATH" "/etc/systemd/system/$UNIT"
sudo systemctl daemon-reload
