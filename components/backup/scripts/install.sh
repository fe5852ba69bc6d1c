# shellcheck shell=bash disable=SC2153
# Puts on the host what backs NAME up: the script, what opens its store, and the timers; then writes the first backup when there is none, so
# that a store that cannot be used fails this run and not a night. Runs after opening.sh. SCRIPT, SCRIPT_PATH, RECORD, UNIT and UNITS (JSON:
# name to text) are parameters beside its own.
open_store
sudo install -D -m 0755 /dev/stdin "$SCRIPT_PATH" <<<"$SCRIPT"
# As the user of host commands, whose locks and folders these are.
sudo install -d -m 0755 -o "$(id -u)" -g "$(id -g)" "$(dirname "$RECORD")"
while IFS= read -r unit; do
  jq --raw-output --arg unit "$unit" '.[$unit]' <<<"$UNITS" | sudo install -m 0644 /dev/stdin "/etc/systemd/system/$unit"
done < <(jq --raw-output 'keys[]' <<<"$UNITS")
sudo systemctl daemon-reload
# Those of point in time go when it is not declared any longer.
for unit in "$UNIT"-{wal,base}; do
  if [ "$(jq --arg unit "$unit.timer" 'has($unit)' <<<"$UNITS")" = false ] && [ -e "/etc/systemd/system/$unit.timer" ]; then
    sudo systemctl disable --now --quiet "$unit.timer"
    sudo systemctl stop "$unit.service" 2>/dev/null || true
    sudo rm -f "/etc/systemd/system/$unit".{timer,service}
    sudo systemctl daemon-reload
  fi
done
mapfile -t timers < <(jq --raw-output 'keys[] | select(endswith(".timer"))' <<<"$UNITS")
sudo systemctl enable --now --quiet "${timers[@]}"
said=$("$SCRIPT_PATH" first 2>&1) || fail "$said"
