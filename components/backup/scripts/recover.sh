# shellcheck shell=bash disable=SC2154,SC2034,SC2016,SC2153
# Brings a Postgres server back to a second, beside the live one: in a throwaway server, from which one database is dumped as snapshots are.
# Runs after point-in-time.sh.

# of_points SERVER FILTER ARGUMENTS...: asks the functions of points.jq about what the store has of a server. $known is what was recorded of it.
of_points() {
  local known
  known=$(recorded --arg server "$1" '.pointInTime[$server] // {} | { chain, until }')
  points "$1" | jq --raw-output --compact-output --argjson known "${known:-"{}"}" "${@:3}" "$points_functions $2"
}

# forget_points SERVER: what no second of the last WINDOW_DAYS days needs, goes; the newest of everything stays. Prints the windows that are left.
forget_points() {
  local said gone
  use_point_in_time_store
  exec 7>"/run/lock/berth-wal-$1"
  flock --wait 1800 7 || fail "another run has sent WAL of $1 for 1800 seconds"
  said=$(of_points "$1" 'superfluous($since; $known)' --arg since "$(date -u -d "$WINDOW_DAYS days ago" +%Y-%m-%dT%H:%M:%SZ)")
  if [ -n "$said" ]; then
    mapfile -t gone <<<"$said"
    STORE_SECONDS=3600
    store forget --prune "${gone[@]}" >/dev/null
  fi
  of_points "$1" 'windows($known)'
}

# bring_back SERVER IMAGE DATA_PATH AT: a throwaway server as SERVER was at AT, without a network, bounded in memory and processors. Sets
# `postgres`, `base`, and `reached`, the time of its last transaction, empty when there was none since the base backup.
bring_back() {
  local way log target id bytes said owner waited=0 deadline
  way=$(of_points "$1" 'way($at; $known)' --arg at "$4")
  [ -n "$way" ] || fail "$1 cannot be brought back to $4. It can be, to any second $(of_points "$1" 'windows($known) | if length == 0 then "only when there is a base backup: npm run ops -- status says what is wrong" else map("from \(.from) to \(.until)") | join(", ") end')"
  base=$(jq --compact-output .base <<<"$way") log=$(jq --compact-output .log <<<"$way") target=$(jq --raw-output '.target // empty' <<<"$way")
  end_drill
  trap end_drill EXIT
  bytes=$(jq --null-input --argjson base "$base" --argjson log "$log" '[$base.bytes, $log[].bytes] | map(tonumber) | add')
  [ "$(df --output=avail --block-size=1 "$DATA_VOLUME" | tail -n 1)" -gt $((bytes * 5 / 4 + 805306368)) ] ||
    fail "to bring $1 back needs $(((bytes * 5 / 4 + 805306368) / 1048576)) MiB of $DATA_VOLUME, and $(df --output=avail --block-size=1M "$DATA_VOLUME" | tail -n 1 | tr -d ' ') MiB are free; enlarge it: volumeGigabytes in berth:hosts"
  STORE_SECONDS=$(seconds_for "$bytes")
  # The image's own user goes through it; nobody else comes to it.
  sudo install -d -m 0755 "$SCRATCH" "$SCRATCH/data" "$SCRATCH/data/pgdata" "$SCRATCH/wal"
  said=$( (store dump --no-lock "$(jq --raw-output .data <<<"$base")" /base.tar | sudo tar --extract --numeric-owner --directory "$SCRATCH/data/pgdata") 2>&1) ||
    fail "the base backup of $1 cannot be read: $(tail -n 3 <<<"$said")"
  said=$(store dump --no-lock "$(jq --raw-output .id <<<"$base")" /label.json) || fail "the label of the base backup of $1 cannot be read"
  jq --join-output .labelfile <<<"$said" | sudo tee "$SCRATCH/data/pgdata/backup_label" >/dev/null
  sudo touch "$SCRATCH/data/pgdata/recovery.signal"
  # Of two that have one segment, the later one has more of it.
  for id in $(jq --raw-output '.[].id' <<<"$log"); do
    said=$(store restore --no-lock "$id" --target "$SCRATCH/restored" 2>&1 >/dev/null) || fail "the WAL $id of $1 cannot be read: $(tail -n 3 <<<"$said")"
  done
  sudo find "$SCRATCH/restored" -path '*/pg_wal/*' -type f -exec mv --target-directory "$SCRATCH/wal" {} +
  printf 'local all all trust\n' | sudo tee "$SCRATCH/wal/pg_hba.conf" >/dev/null
  owner=$(sudo stat --format %u:%g "$SCRATCH/data/pgdata/PG_VERSION")
  sudo chown -R "$owner" "$SCRATCH/data/pgdata" "$SCRATCH/wal"
  sudo chmod 0700 "$SCRATCH/data/pgdata" "$SCRATCH/wal"
  # Z is an abbreviation, which the parameter does not take (postgresql.org/docs, recovery_target_time).
  target=${target/%Z/+00}
  # With hot_standby it would need the live server's own settings (postgresql.org/docs, "Administrator's Overview" of hot standby).
  postgres=$(docker run --detach --name "$drill" --network none --memory "${DRILL_MEBIBYTES}m" --memory-swap "${DRILL_MEBIBYTES}m" --cpus 1 --log-driver local \
    --env POSTGRES_HOST_AUTH_METHOD=trust --env "PGDATA=$3/pgdata" \
    --mount "type=bind,source=$SCRATCH/data,target=$3" --mount "type=bind,source=$SCRATCH/wal,target=/berth-wal,readonly" "$2" \
    -c hba_file=/berth-wal/pg_hba.conf -c 'restore_command=cp "/berth-wal/%f" "%p"' -c hot_standby=off -c recovery_target_action=promote \
    ${target:+-c "recovery_target_time=$target"} -c fsync=off -c max_wal_size=256MB -c log_min_messages=warning -c logging_collector=off) ||
    fail "no throwaway server of $2 can be started"
  deadline=$((600 + bytes / 1048576))
  until docker exec "$postgres" pg_isready --quiet --username postgres 2>/dev/null; do
    waited=$((waited + 1))
    if [ "$waited" -gt "$deadline" ] || [ "$(docker inspect --format '{{.State.Running}}' "$postgres")" != true ]; then
      fail "$1 does not come back to $4 within $deadline seconds. PostgreSQL says: $(docker logs --tail 8 "$postgres" 2>&1)"
    fi
    sleep 1
  done
  reached=$(docker logs "$postgres" 2>&1 | sed -nE 's/^.*last completed transaction was at log time (.*)$/\1/p' | tail -n 1)
}

# newest_row_of_throwaway: what the owner's query answers, where there is one of this database. Sets `newest_row`.
newest_row_of_throwaway() {
  newest_row=
  [ "$NEWEST_DATABASE" != "$DATABASE" ] || newest_row=$(in_database "$DATABASE" "$NEWEST_QUERY") ||
    fail "berth:backups.drill.newest.$NAME.query fails on $DATABASE as it was"
}

# recover SERVER NAME AT: a database as it was, among the snapshots, from which a restore takes it. Prints what was found as JSON.
recover() {
  local image path base reached newest_row partial now problem began=$SECONDS code
  [ "$WAL_MINUTES" -gt 0 ] || fail "point in time of $NAME is not set up: berth:backups.pointInTime (docs/runbooks/backups.md)"
  IFS=$'\t' read -r image path < <(awk -F '\t' -v OFS='\t' -v server="$1" -v name="$2" '$1 == "database" && $2 == server && $3 == name { print $4, $5 }' <<<"$SOURCES") ||
    fail "$NAME has no database $1/$2"
  # So that the window ends now, where the server still runs.
  keep_wal "$1" "$path" >&2 || true
  use_point_in_time_store
  open_repository
  DIRECTORY=$SNAPSHOTS
  about_database "$1" "$2"
  drill=berth-drill-$database_id
  bring_back "$1" "$image" "$path" "$3"
  database_exists "$DATABASE" || fail "$1 had no database $2 at $3"
  newest_row_of_throwaway
  only_one "${database_id}_database" 900
  sudo install -d -m 0700 -o "$(id -u)" -g "$(id -g)" "$DIRECTORY"
  require_room
  now=$(date -u +%Y%m%d_%H%M%S)
  partial=$DIRECTORY/${database_id}_${ENVIRONMENT_NAME}_$now.tar.partial
  rm -rf "$partial" "$partial.tar"
  problem=$( (pack_snapshot "$partial" "$3") 2>&1 >/dev/null) || fail "$2 as it was at $3 cannot be dumped: $(tail -n 5 <<<"$problem")"
  rm -rf "$partial"
  problem=$(snapshot_problem "$partial.tar")
  [ -z "$problem" ] || fail "the snapshot of $2 as it was at $3 cannot be used: $problem"
  sync "$partial.tar"
  mv "$partial.tar" "${partial%.partial}"
  jq --null-input --compact-output --arg snapshot "$(basename "${partial%.partial}")" --arg at "$3" --arg reached "$reached" --arg newestRow "$newest_row" \
    --arg tables "$(count_tables "$DATABASE")" --argjson seconds $((SECONDS - began)) '$ARGS.named'
}

# drill_point_in_time SERVER IMAGE DATA_PATH: the last second of the window, of which every database of NAME is there. Prints what was found as JSON.
drill_point_in_time() {
  local at base reached began=$SECONDS rows=0 tables=0 kind server name expected
  use_point_in_time_store
  open_repository
  drill=berth-drill-$1
  at=$(of_points "$1" 'windows($known) | last | .until // empty')
  [ -n "$at" ] || fail "there is no base backup with the WAL that makes it whole yet"
  about_database "$1" postgres
  bring_back "$1" "$2" "$3" "$at"
  while IFS=$'\t' read -r kind server name _ <&3; do
    [ "$kind $server" = "database $1" ] || continue
    database_exists "$name" || fail "brought back to $at, $1 has no database $name"
    rows=$((rows + $(count_rows "$name"))) tables=$((tables + $(count_tables "$name")))
  done 3<<<"$SOURCES"
  expected=$(recorded --arg source "point in time $1" '.drills[$source].rows // 0')
  [ "$FEWER_ROWS" = yes ] || [ "$rows" -ge $((expected / 2)) ] ||
    fail "brought back to $at, $1 has $rows rows, and the last good drill counted $expected. If that is right: npm run ops -- drill $NAME --fewer-rows --stack $STACK"
  jq --null-input --compact-output --arg id "$(jq --raw-output .id <<<"$base")" --arg written "$at" --argjson tables "$tables" --argjson rows "$rows" \
    --argjson rpoSeconds $(($(date +%s) - $(date -d "$at" +%s))) --argjson rtoSeconds $((SECONDS - began)) '$ARGS.named'
}
