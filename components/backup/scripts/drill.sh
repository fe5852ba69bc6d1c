# shellcheck shell=bash disable=SC2154,SC2034,SC2016,SC2153
# Restores the newest backup of each database of NAME into a throwaway server, checks and measures it, and throws it away. Runs after take.sh.

end_drill() {
  docker rm --force --volumes "$drill" >/dev/null 2>&1 || true
  sudo rm -rf "${SCRATCH:?}"
}

# start_server IMAGE DATA_PATH: an empty server from the image of the running one, without a network, bounded in memory and processors.
# Sets `postgres`. DATA_PATH is where the image keeps its data.
start_server() {
  local waited=0
  # The image's own user goes through it; nobody else comes to it.
  sudo install -d -m 0755 "$SCRATCH/data"
  postgres=$(docker run --detach --name "$drill" --network none --memory "${DRILL_MEBIBYTES}m" --memory-swap "${DRILL_MEBIBYTES}m" --cpus 1 \
    --log-driver local --env POSTGRES_HOST_AUTH_METHOD=trust --env "PGDATA=$2/pgdata" \
    --mount "type=bind,source=$SCRATCH/data,target=$2" "$1" -c max_wal_size=256MB) || fail "no throwaway server of $1 can be started"
  # Over TCP: while the image sets its folder up, a server answers on the socket alone.
  until docker exec "$postgres" pg_isready --quiet --host 127.0.0.1 --username postgres 2>/dev/null; do
    waited=$((waited + 1))
    if [ "$waited" -gt 240 ] || [ "$(docker inspect --format '{{.State.Running}}' "$postgres")" != true ]; then
      fail "the throwaway server of $1 does not start: $(docker logs --tail 5 "$postgres" 2>&1)"
    fi
    sleep 0.5
  done
}

# Rows of every table, counted.
count_rows() {
  docker exec --interactive "$postgres" psql --no-psqlrc --username postgres --dbname "$1" --no-align --tuples-only --quiet --set ON_ERROR_STOP=1 <<'SQL' | awk '{ rows += $1 } END { printf "%.0f\n", rows }'
SELECT format('SELECT count(*) FROM %I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema') \gexec
SQL
}

# require_space BYTES WHAT: on the data volume, beside what is there and the write-ahead log. A dump and what it becomes take six times its size.
require_space() {
  local room
  room=$(df --output=avail --block-size=1 "$DATA_VOLUME" | tail -n 1)
  [ "$room" -gt $(($1 + 402653184)) ] ||
    fail "$2 needs $((($1 + 402653184) / 1048576)) MiB of $DATA_VOLUME, and $((room / 1048576)) MiB are free; enlarge it: volumeGigabytes in berth:hosts"
}

# read_dump FILE: the backup `id` of DATABASE, whole.
read_dump() {
  local said problem
  STORE_SECONDS=$(seconds_for "$bytes")
  said=$(store dump --no-lock "$id" "$path" 2>&1 >"$1") ||
    fail "backup $id cannot be read within $STORE_SECONDS seconds: $(tail -n 3 <<<"$said")"
  problem=$(snapshot_problem "$1")
  [ -z "$problem" ] || fail "backup $id cannot be restored: $problem"
}

# read_files: those of the backup `id`, below SCRATCH/restored.
read_files() {
  local said
  STORE_SECONDS=$(seconds_for "$bytes")
  said=$(store restore --no-lock "$id" --include "$path" --target "$SCRATCH/restored" 2>&1 >/dev/null) ||
    fail "backup $id cannot be read within $STORE_SECONDS seconds: $(tail -n 3 <<<"$said")"
}

# require_as_written FILE DATABASE: what the backup `id` has become is what it says of itself. Sets `tables`.
require_as_written() {
  read_schema "$2"
  tables=$(count_tables "$2")
  [ "$schema_version, $tables" = "$(manifest "$1" | jq --raw-output '"\(.schema | split(" ")[0]), \(.tables)"')" ] ||
    fail "backup $id restored to schema version $schema_version with $tables tables, which differs from its manifest"
}

# find_newest SOURCE: sets `newest`, what the list has of the backup, and `id`, `bytes` and `path` of it.
find_newest() {
  newest=$(backups | jq --arg source "$1" '[.[] | select(.source == $source)] | last // empty')
  [ -n "$newest" ] || fail "the store has no backup of $1"
  id=$(jq --raw-output .id <<<"$newest") bytes=$(jq --raw-output .bytes <<<"$newest") path=$(jq --raw-output .path <<<"$newest")
}

# drill_database SOURCE SERVER NAME IMAGE DATA_PATH: prints what was found as JSON.
drill_database() {
  local source=$1 newest id bytes path file rows tables said began=$SECONDS written age newest_row='' expected
  about_database "$2" "$3"
  drill=berth-drill-$database_id
  find_newest "$source"
  end_drill
  trap end_drill EXIT
  require_space $((bytes * 6)) "a drill"
  sudo install -d -m 0700 -o "$(id -u)" -g "$(id -g)" "$SCRATCH"
  DIRECTORY=$SCRATCH
  file=$SCRATCH/backup.tar
  read_dump "$file"
  written=$(manifest "$file" | jq --raw-output .time)
  start_server "$4" "$5"
  said=$(restore_into "$file" "$DATABASE" 2>&1 >/dev/null) || fail "backup $id does not restore. PostgreSQL says:
$(tail -n 5 <<<"$said")"
  require_as_written "$file" "$DATABASE"
  rows=$(count_rows "$DATABASE")
  if [ "$FEWER_ROWS" != yes ]; then
    # What was estimated when it was written, and what the last good drill has counted.
    expected=$(jq --raw-output '.rows // 0' <<<"$newest")
    [ "$rows" -ge $((expected / 2)) ] || fail "backup $id has $rows rows, and the database had about $expected when it was written"
    expected=$(recorded --arg source "$source" '.drills[$source].rows // 0')
    [ "$rows" -ge $((expected / 2)) ] ||
      fail "backup $id has $rows rows, and the last good drill counted $expected. If that is right: npm run ops -- drill $NAME --fewer-rows --stack $STACK"
  fi
  if [ "$NEWEST_DATABASE" = "$DATABASE" ]; then
    newest_row=$(in_database "$DATABASE" "$NEWEST_QUERY") || fail "berth:backups.drill.newest.$NAME.query fails on backup $id"
    # A system that has just begun has no row yet; one that had some is asked about.
    expected=$(recorded --arg source "$source" '.drills[$source].newestRow // ""')
    [ -n "$newest_row" ] || [ -z "$expected" ] || [ "$FEWER_ROWS" = yes ] ||
      fail "berth:backups.drill.newest.$NAME.query answers nothing on backup $id; in the last good drill it was $expected. If that is right: npm run ops -- drill $NAME --fewer-rows --stack $STACK"
    age=$(date -d "${newest_row:-$written}" +%s 2>/dev/null) ||
      fail "berth:backups.drill.newest.$NAME.query answers \"$newest_row\" on backup $id, which is no time"
    age=$(($(date -d "$written" +%s) - age))
    [ "$age" -le $((NEWEST_HOURS * 3600)) ] ||
      fail "the newest row of backup $id is of $newest_row, more than $NEWEST_HOURS hours older than the backup (berth:backups.drill.newest.$NAME)"
  fi
  jq --null-input --compact-output --arg id "$id" --arg written "$written" --argjson tables "$tables" --argjson rows "$rows" --arg newestRow "$newest_row" \
    --argjson rpoSeconds $(($(date +%s) - $(date -d "$written" +%s))) --argjson rtoSeconds $((SECONDS - began)) '$ARGS.named'
}

# drilled SOURCE: records how its drill went, as in_its_own_process has left it.
drilled() {
  if [ "$code" = 0 ]; then
    record '.drills[$source] = $said + { ok: (now | todate), attempt: (now | todate), problem: "" }' --arg source "$1" --argjson said "$said"
    echo "$1: $(jq --raw-output '"backup \(.id) restored: \(if .tables then "\(.tables) tables, \(.rows) rows" else "\(.rows) keys" end); RPO \(.rpoSeconds) s, RTO \(.rtoSeconds) s"' <<<"$said")"
  else
    record '.drills[$source] = (.drills[$source] // {}) + { attempt: (now | todate), problem: $said }' --arg source "$1" --arg said "$said"
    echo "$1: FAILED: $said" >&2
    failed=$((failed + 1))
  fi
}

# Every server's data; a problem of one does not keep the others from being tried.
drill_all() {
  local kind server name image path source said failed=0
  open_repository
  while IFS=$'\t' read -r kind server name image path <&3; do
    [ "$kind" != folder ] || continue
    source="$kind $server${name:+/$name}"
    in_its_own_process drill-one "$FEWER_ROWS" "$kind" "$source" "$server" "$name" "$image" "$path"
    drilled "$source"
  done 3<<<"$SOURCES"
  if [ "$WAL_MINUTES" -gt 0 ]; then
    while IFS=$'\t' read -r server image path <&3; do
      in_its_own_process drill-point "$FEWER_ROWS" "$server" "$image" "$path"
      drilled "point in time $server"
    done 3< <(servers)
  fi
  [ "$failed" = 0 ] || fail "the drill of $NAME failed"
}
