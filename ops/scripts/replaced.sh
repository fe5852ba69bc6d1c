# shellcheck shell=bash disable=SC2154
# Databases that restores have replaced: dropped by `ops drop-replaced`, or by a timer of the host once they are REPLACED_DAYS old.
# Runs after database.sh.
REPLACED_DAYS=7

# expire_replaced DAYS: drops those that were replaced longer ago.
expire_replaced() {
  local name time bytes before
  before=$(date -u -d "$1 days ago" +%Y-%m-%dT%H:%M:%SZ)
  while read -r name time bytes; do
    if [ -n "$name" ] && [[ ! $time > $before ]]; then
      drop_database "$name"
      printf 'dropped the database %s, %s bytes, which a restore put aside at %s\n' "$name" "$bytes" "$time"
    fi
  done <<<"$(replaced_databases)"
}

# A systemd timer on the host drops them in time, also after a reboot. One for each database.
install_replaced_timer() {
  local unit=berth-replaced-expire-$database_id
  {
    printf '#!/bin/bash\n# Written by Berth: drops the databases of %s that a restore put aside %s days ago.\nset -euo pipefail\numask 077\n' "$SYSTEM" "$REPLACED_DAYS"
    declare -p DATABASE POSTGRES_SERVICE database_id
    declare -f fail redact only_one find_postgres in_database drop_database replaced_databases expire_replaced
    # A server that is down or gone has nothing to drop now.
    # shellcheck disable=SC2016 # database_id is the timer's.
    printf 'find_postgres || exit 0\nonly_one "${database_id}_database" 900\nexpire_replaced %s\n' "$REPLACED_DAYS"
  } | sudo install -m 0755 /dev/stdin "/usr/local/sbin/$unit.new"
  sudo mv "/usr/local/sbin/$unit.new" "/usr/local/sbin/$unit"
  printf '[Unit]\nDescription=Drops databases of %s that a restore put aside %s days ago\nAfter=docker.service\n\n[Service]\nType=oneshot\nUser=%s\nTimeoutStartSec=30min\nExecStart=/usr/local/sbin/%s\n' \
    "$SYSTEM" "$REPLACED_DAYS" "$(id -un)" "$unit" | sudo install -m 0644 /dev/stdin "/etc/systemd/system/$unit.service"
  printf '[Unit]\nDescription=Drops databases of %s that a restore put aside %s days ago\n\n[Timer]\nOnCalendar=hourly\nPersistent=true\n\n[Install]\nWantedBy=timers.target\n' \
    "$SYSTEM" "$REPLACED_DAYS" | sudo install -m 0644 /dev/stdin "/etc/systemd/system/$unit.timer"
  sudo systemctl daemon-reload
  sudo systemctl enable --now --quiet "$unit.timer"
}
