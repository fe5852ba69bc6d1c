# shellcheck shell=bash disable=SC2154,SC2034,SC2016,SC2153
# Point in time of each Postgres server of NAME: its write-ahead log (WAL) is sent every WAL_MINUTES minutes, and a copy of its data folder, the
# base backup, each week. Nothing runs inside the server, which needs no restart: docs/decisions/0025-point-in-time.md. Runs after redis.sh.

# A repository of its own, below the nightly one: restic locks one that it prunes or checks, and WAL could not be sent meanwhile.
use_point_in_time_store() {
  REPOSITORY=s3:$STORE_URL/$STORE_PREFIX/point-in-time
  EVER='.pointInTime[]?.id // empty'
}

# Each server once: name, image and data path between tabs.
servers() {
  awk -F '\t' -v OFS='\t' '$1 == "database" && !seen[$2]++ { print $2, $4, $5 }' <<<"$SOURCES"
}

# points SERVER: everything that the store has of it, as a JSON list: kind (base, data, wal), chain, and what each kind says of itself.
points() {
  store snapshots --no-lock --json | jq --arg server "$1" '[(. // [])[] | { id: .short_id, time } +
    ([(.tags // [])[] | select(contains("=")) | { key: split("=")[0], value: (split("=")[1:] | join("=")) }] | from_entries) | select(.server == $server)]'
}

# of_server SERVER FILTER: what was recorded.
of_server() {
  recorded --arg server "$1" ".pointInTime[\$server] | $2 // empty"
}

# send_point SERVER CHAIN BYTES TAGS... -- WORDS...: what restic's words name, or its standard input. Sets `id`.
send_point() {
  local server=$1 bytes=$3 tags=(--tag "server=$1" --tag "chain=$2")
  shift 3
  while [ "$1" != -- ]; do tags+=(--tag "$1") && shift; done
  write_backup "point in time of $server" "$bytes" "${tags[@]}" "${@:2}"
}

# about_server SERVER DATA_PATH: sets `postgres`, and `folder`, where the server's data folder is on the host.
about_server() {
  local volume inside
  about_database "$1" postgres
  require_postgres
  volume=$(docker inspect --format "{{range .Mounts}}{{if eq .Destination \"$2\"}}{{.Source}}{{end}}{{end}}" "$postgres")
  inside=$(in_database postgres "SHOW data_directory")
  folder=$volume${inside#"$2"}
  { [ -n "$volume" ] && sudo test -d "$folder/pg_wal"; } || fail "the data folder of $1 is not below $2, where the host could read it"
}

# limit_wal: what is kept for us never fills the disk. A limit that the system sets itself stays (postgresql.org/docs, max_slot_wal_keep_size).
limit_wal() {
  local limit source level
  IFS='|' read -r limit source level < <(in_database postgres "SELECT setting, source, current_setting('wal_level') FROM pg_settings WHERE name = 'max_slot_wal_keep_size'")
  [ "$level" != minimal ] || fail "the server runs with wal_level minimal, and point in time needs replica, PostgreSQL's default"
  [ "$source" = "command line" ] || [ "$limit" = "$WAL_LIMIT_MEBIBYTES" ] || {
    in_database postgres "ALTER SYSTEM SET max_slot_wal_keep_size = '${WAL_LIMIT_MEBIBYTES}MB'"
    in_database postgres "SELECT pg_reload_conf()" >/dev/null
  }
}

drop_wal_slots() {
  in_database postgres "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name ~ '^berth_wal_'" >/dev/null
}

# hold_wal SERVER: a replication slot keeps what was not sent. Sets `slot`, `chain` (when it was made, in seconds: what was sent under one has no
# hole) and `start` (the first segment that it holds). One that the server has ended is replaced.
hold_wal() {
  local status
  IFS='|' read -r slot status start < <(in_database postgres "SELECT slot_name, wal_status, pg_walfile_name(restart_lsn) FROM pg_replication_slots
    WHERE slot_name ~ '^berth_wal_' ORDER BY slot_name DESC LIMIT 1") || true
  chain=${slot#berth_wal_}
  # A server that crashed may have put the slot back to where it was at its last checkpoint (pg_replication_slot_advance).
  if [ -n "$start" ] && ! sudo test -e "$folder/pg_wal/$start" && [ "$(of_server "$1" .chain)" = "$chain" ]; then start=$(of_server "$1" .last); fi
  if [ -z "$slot" ] || [ "$status" = lost ] || ! sudo test -e "$folder/pg_wal/$start"; then
    drop_wal_slots
    chain=$(date +%s)
    slot=berth_wal_$chain
    in_database postgres "SELECT pg_create_physical_replication_slot('$slot', true)" >/dev/null
    start=$(in_database postgres "SELECT pg_walfile_name(restart_lsn) FROM pg_replication_slots WHERE slot_name = '$slot'")
  fi
}

# send_wal SERVER DATA_PATH ALWAYS: the segments that the slot holds, up to the last transaction; prints what was found as JSON. A segment is sent
# again while it fills, of which restic sends what is new. The slot moves on when it holds HELD_SEGMENTS, so that few backups have all of a
# week, and only when they are in the store. ALWAYS is "yes" when something is to be sent although no transaction has ended.
send_wal() {
  local folder slot chain start until snapshot before last end count parent id status files
  exec 7>"/run/lock/berth-wal-$1"
  flock --wait 1800 7 || fail "another run has sent WAL of $1 for 1800 seconds"
  use_point_in_time_store
  about_server "$1" "$2"
  limit_wal
  hold_wal "$1"
  open_repository
  before=$(recorded --arg server "$1" --arg chain "$chain" '.pointInTime[$server] | select(.chain == $chain)')
  IFS='|' read -r until snapshot < <(in_database postgres "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), pg_current_snapshot()")
  # An idle server sends nothing: what ends a transaction that writes changes the list of those that run.
  if [ "$3" != yes ] && [ "$(jq --raw-output '.snapshot // empty' <<<"$before")" = "$snapshot" ]; then
    jq --null-input --compact-output --arg until "$until" '{ $until }'
    return
  fi
  # A recovery to a time ends at the first transaction after it, so there is always one. It is flushed, and with it what came before.
  in_database postgres "SET synchronous_commit = on; SELECT pg_logical_emit_message(true, 'berth', '')" >/dev/null
  IFS='|' read -r last end snapshot < <(in_database postgres "SELECT pg_walfile_name(pg_current_wal_insert_lsn()), pg_current_wal_flush_lsn(), pg_current_snapshot()")
  # Transactions that do not wait for the disk (synchronous_commit = off) come there within three times wal_writer_delay.
  sleep 1
  files=$(sudo find "$folder/pg_wal" -maxdepth 1 -type f -printf '%f\n' | LC_ALL=C sort |
    awk -v first="$start" -v last="$last" '/\.history$/ || (length($0) == 24 && !/[^0-9A-F]/ && $0 "" >= first "" && $0 "" <= last "")')
  count=$(wc -l <<<"$files")
  parent=$(jq --raw-output '.id // empty' <<<"$before")
  send_point "$1" "$chain" $((count * 16777216)) kind=wal "first=$start" "last=$last" "until=$until" "bytes=$((count * 16777216))" -- \
    ${parent:+--parent "$parent"} --files-from-verbatim - < <(awk -v folder="$folder/pg_wal" '{ print folder "/" $0 }' <<<"$files")
  [ "$count" -le "$HELD_SEGMENTS" ] || in_database postgres "SELECT pg_replication_slot_advance('$slot', '$end')" >/dev/null
  status=$(in_database postgres "SELECT wal_status FROM pg_replication_slots WHERE slot_name = '$slot'")
  if [ "${status:-lost}" = lost ]; then
    store forget "$id" >/dev/null
    fail "$1 wrote more than its limit while its WAL was sent, and has removed some of it"
  fi
  before=$(recorded --arg server "$1" '.pointInTime[$server] | values')
  jq --null-input --compact-output --argjson before "${before:-"{}"}" --arg id "$id" --arg chain "$chain" --arg last "$last" --arg until "$until" --arg snapshot "$snapshot" \
    '{ $id, $chain, $last, $until, $snapshot } +
      if $before.chain and $before.chain != $chain then { lost: { from: $before.until, until: ($chain | tonumber | todate) } } else {} end'
}

# take_base SERVER DATA_PATH: a copy of the data folder while the server writes, and what of the WAL makes it whole (postgresql.org/docs, "Making
# a Base Backup Using the Low Level API"). It counts when its label is in the store too, which is sent last. Prints what was found as JSON.
take_base() {
  local server=$1 folder chain segment said code data id from version bytes answers asked
  use_point_in_time_store
  about_server "$1" "$2"
  version=$(in_database postgres "SHOW server_version_num")
  [ "$version" -ge 150000 ] || fail "point in time needs PostgreSQL 15 or newer; $1 runs $version"
  [ "$(in_database postgres "SELECT count(*) FROM pg_tablespace")" = 2 ] || fail "$1 has a tablespace outside its data folder, which no base backup has"
  said=$(bash "$0" wal-one "$1" "$2" yes 2>&1) || fail "$said"
  sent_wal "$1" "$(tail -n 1 <<<"$said")"
  chain=$(of_server "$1" .chain)
  bytes=$(sudo du --summarize --bytes "$folder" | cut -f 1)
  # Both calls are of one session. One that has ended is said by what reads from it.
  trap '' PIPE
  coproc session { docker exec --interactive --env PGOPTIONS='-c client_min_messages=warning' "$postgres" psql --no-psqlrc --username postgres --dbname postgres --no-align --tuples-only --quiet --set ON_ERROR_STOP=1 2>&1; }
  answers=${session[0]} asked=${session[1]}
  echo "SELECT pg_walfile_name(pg_backup_start('berth', true));" >&"$asked" || true
  read -r -t 1800 -u "$answers" segment || fail "$1 did not begin a base backup within 1800 seconds"
  [ "${#segment}" = 24 ] || fail "$1 cannot begin a base backup: $segment"
  # 1: a file has changed or gone meanwhile, which the WAL repairs. Left out is what PostgreSQL's documentation says.
  send_point "$1" "$chain" "$bytes" kind=data "bytes=$bytes" -- --stdin --stdin-filename base.tar < <(
    sudo nice -n 10 tar --create --sort=name --numeric-owner --directory "$folder" --warning=no-file-changed --warning=no-file-removed --warning=no-file-ignored \
      --exclude='./pg_wal/*' --exclude=./postmaster.pid --exclude=./postmaster.opts --exclude='./pg_replslot/*' --exclude='./pg_dynshmem/*' \
      --exclude='./pg_notify/*' --exclude='./pg_serial/*' --exclude='./pg_snapshots/*' --exclude='./pg_stat_tmp/*' --exclude='./pg_subtrans/*' \
      --exclude='pgsql_tmp*' --exclude=pg_internal.init . && code=0 || code=$?
    echo "$code" >"$RECORD.tar-$server"
  )
  code=$(cat "$RECORD.tar-$server") && rm -f "$RECORD.tar-$server"
  [ "$code" -le 1 ] || fail "the data folder of $1 could not be read: tar ended with $code"
  data=$id
  echo "SELECT to_json(stop) FROM pg_backup_stop(false) AS stop;" >&"$asked" || true
  read -r -t 1800 -u "$answers" said || fail "$1 did not end its base backup within 1800 seconds"
  jq --exit-status .labelfile <<<"$said" >/dev/null 2>&1 || fail "$1 cannot end its base backup: $said"
  # A whole second that comes after the copy has ended, and before the WAL that is sent now does.
  sleep 1.1
  from=$(date -u +%Y-%m-%dT%H:%M:%SZ)
  sleep 1
  code=$(bash "$0" wal-one "$1" "$2" yes 2>&1) || fail "$code"
  sent_wal "$1" "$(tail -n 1 <<<"$code")"
  [ "$(of_server "$1" .chain)" = "$chain" ] || fail "WAL of $1 was lost while its base backup was written; the next run tries again"
  send_point "$1" "$chain" 0 kind=base "data=$data" "segment=$segment" "from=$from" "bytes=$bytes" "version=$((version / 10000))" -- \
    --stdin --stdin-filename label.json <<<"$said"
  jq --null-input --compact-output --arg id "$id" --arg chain "$chain" --arg from "$from" --argjson bytes "$bytes" '$ARGS.named'
}

# sent_wal SERVER JSON: records what send_wal has said.
sent_wal() {
  record '.pointInTime[$server] |= (. // {}) + $said + { ok: (now | todate), attempt: (now | todate), problem: "", everyMinutes: $every }
    | .pointInTime[$server].windows |= ((. // []) | if length > 0 and .[-1].chain == $chain then .[-1].until = $until else . end)' \
    --arg server "$1" --argjson said "$2" --argjson every "$WAL_MINUTES" --arg chain "$(jq --raw-output '.chain // empty' <<<"$2" | grep . || of_server "$1" .chain)" --arg until "$(jq --raw-output .until <<<"$2")"
}

# keep_wal SERVER DATA_PATH: sends WAL and records how it went. Sets `code`.
keep_wal() {
  local said
  in_its_own_process wal-one "$1" "$2" no
  if [ "$code" = 0 ]; then
    sent_wal "$1" "$said"
    echo "$1: WAL is in the store, up to $(jq --raw-output .until <<<"$said")"
  else
    # Without a parent the next run reads all of it.
    record '.pointInTime[$server] |= ((. // {}) | del(.id, .snapshot)) + { attempt: (now | todate), problem: $said }' --arg server "$1" --arg said "$said"
    echo "$1: FAILED: $said" >&2
  fi
}

# keep_base SERVER DATA_PATH: a base backup, what it makes superfluous goes, and the record of both. Sets `code`.
keep_base() {
  local said windows
  in_its_own_process base-one "$1" "$2"
  if [ "$code" = 0 ]; then
    record '.pointInTime[$server].base = $said + { ok: (now | todate), attempt: (now | todate), problem: "" }' --arg server "$1" --argjson said "$said"
    in_its_own_process forget-points "$1"
  fi
  if [ "$code" = 0 ]; then
    windows=$said
    record '.pointInTime[$server].windows = $windows' --arg server "$1" --argjson windows "$windows"
    echo "$1: base backup; any second from $(jq --raw-output '.[-1].from' <<<"$windows") on can be brought back"
  else
    record '.pointInTime[$server].base |= (. // {}) + { attempt: (now | todate), problem: $said }' --arg server "$1" --arg said "$said"
    echo "$1: base backup FAILED: $said" >&2
  fi
}

# needs_base SERVER WHAT: what is sent of it cannot be used without one. By the timer of WAL, one that has failed is tried again an hour later.
needs_base() {
  [ "$2" != base ] || return 0
  [ "$(of_server "$1" .base.chain)" != "$(of_server "$1" .chain)" ] || return 1
  [ "$2" = first ] || [ "$(recorded --arg server "$1" '.pointInTime[$server].base | (.problem // "") != "" and (.attempt | fromdate) > now - 3600')" != true ]
}

# keep_points WHAT: WAL of each server, and a base backup where there is none or WHAT is "base". A base backup waits for other backups of the host.
keep_points() {
  local server path failed=0
  while IFS=$'\t' read -r server _ path <&3; do
    keep_wal "$server" "$path"
    if [ "$code" = 0 ] && needs_base "$server" "$1"; then
      [ "$1" != wal ] || one_backup_at_a_time
      # Whoever was waited for may have written it.
      ! needs_base "$server" "$1" || keep_base "$server" "$path"
    fi
    [ "$code" = 0 ] || failed=$((failed + 1))
  done 3< <(servers)
  [ "$failed" = 0 ] || fail "point in time of $NAME: $failed of $(servers | wc -l) servers failed"
}

# Servers keep no WAL any longer when point in time is not declared. What is in the store stays.
end_point_in_time() {
  local server
  [ -n "$(recorded '.pointInTime // empty')" ] || return 0
  while IFS=$'\t' read -r server _ <&3; do
    about_database "$server" postgres
    find_postgres || continue
    drop_wal_slots
    in_database postgres "ALTER SYSTEM RESET max_slot_wal_keep_size"
    in_database postgres "SELECT pg_reload_conf()" >/dev/null
  done 3< <(servers)
  record 'del(.pointInTime) | .drills |= ((. // {}) | with_entries(select(.key | startswith("point in time ") | not)))'
}
