# shellcheck shell=bash
# Puts the script that keeps the certificate (SCRIPT at RENEWAL_SCRIPT) on the host with the timer that runs it (SERVICE_UNIT and
# TIMER_UNIT, named RENEWAL_UNIT), and runs it once. Its words on a failure are this script's.
command -v certbot >/dev/null || fail "certbot is not installed on this host: sudo apt-get install --yes certbot"
changed=
write_file "$RENEWAL_SCRIPT" 0755 "$SCRIPT"
write_file "/etc/systemd/system/$RENEWAL_UNIT.service" 0644 "$SERVICE_UNIT"
write_file "/etc/systemd/system/$RENEWAL_UNIT.timer" 0644 "$TIMER_UNIT"
[ -z "$changed" ] || sudo systemctl daemon-reload
sudo systemctl enable --now --quiet "$RENEWAL_UNIT.timer"
"$RENEWAL_SCRIPT"
