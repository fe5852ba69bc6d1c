# shellcheck shell=bash disable=SC2153
# Takes away what install.sh has put there; monit's package stays.
sudo systemctl disable --now --quiet berth-watch 2>/dev/null || true
sudo rm -rf /etc/systemd/system/berth-watch.service "$SCRIPT_PATH" "${SETTINGS:?}" "${STATE:?}"
sudo systemctl daemon-reload
