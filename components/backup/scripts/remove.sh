# shellcheck shell=bash disable=SC2153
# Takes away what install.sh has put there. What is in the store stays.
sudo systemctl disable --now --quiet "$UNIT"{,-drill,-wal,-base}.timer 2>/dev/null || true
sudo systemctl stop "$UNIT"{,-drill,-wal,-base}.service 2>/dev/null || true
# Servers keep no WAL for nobody; a script that knows nothing of it says so.
"$SCRIPT_PATH" end-point-in-time >/dev/null 2>&1 || true
sudo rm -f /etc/systemd/system/"$UNIT"{,-drill,-wal,-base}.{service,timer} "$SCRIPT_PATH" "$STORE_FILE" "$AUTHORITY_FILE" "$RECORD"
sudo systemctl daemon-reload
