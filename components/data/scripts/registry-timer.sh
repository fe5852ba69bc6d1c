# shellcheck shell=bash disable=SC2153
# Puts a script (SCRIPT at SCRIPT_PATH) on the host with the timer that runs it (SERVICE_UNIT and TIMER_UNIT, named UNIT).
sudo install -D -m 0755 /dev/stdin "$SCRIPT_PATH" <<<"$SCRIPT"
sudo install -D -m 0644 /dev/stdin "/etc/systemd/system/$UNIT.service" <<<"$SERVICE_UNIT"
sudo install -D -m 0644 /dev/stdin "/etc/systemd/system/$UNIT.timer" <<<"$TIMER_UNIT"
sudo systemctl daemon-reload
sudo systemctl enable --now --quiet "$UNIT.timer"
