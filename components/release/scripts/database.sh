# shellcheck shell=bash disable=SC2034,SC2153
# What the scripts share that touch a system's database. SYSTEM, ENVIRONMENT_NAME, DATABASE, POSTGRES_SERVICE, DIRECTORY,
# KEEP and FLOOR_MEBIBYTES are parameters. Whoever changes a database or its snapshots holds the lock of both: only_one "${database_id}_database".

# Key of the migrations' settings; a system's first ones are called `migrations`.
: "${MIGRATIONS:=$SYSTEM:migrations}"

# What files, locks and timers about this database are named after. A system's first database is named like the system.
database_id=${POSTGRES_SERVICE}_$DATABASE
[ "$database_id" != "${SYSTEM}_postgres_$SYSTEM" ] || database_id=$SYSTEM

# Name of the snapshot that a release has just written, for the migration that follows.
for_migration=$DIRECTORY/.for-migration
[ "$database_id" = "$SYSTEM" ] || for_migration=$for_migration-$database_id

# Databases beside the running one. Each is made anew, so what an interrupted run left goes with the next.
rehearsal=${DATABASE}_rehearsal
restored=${DATABASE}_restored

# Sets `postgres`, the server's container.
find_postgres() {
  postgres=$(docker ps --quiet --filter "label=berth.resource=$POSTGRES_SERVICE" --filter status=running | head -n 1)
  [ -n "$postgres" ]
}

# A server that ended is started again by Swarm after 5 s (docs.docker.com/reference/cli/docker/service/create, "--restart-delay"), and then
# recovers: one that is not there at once is looked for until it accepts connections, for 20 s.
require_postgres() {
  local deadline said
  ! find_postgres || return 0
  echo "$POSTGRES_SERVICE is not running; waiting up to 20 s for it" >&2
  deadline=$((SECONDS + 20))
  until find_postgres && said=$(docker exec "$postgres" pg_isready --username postgres 2>&1); do
    if [ -z "$postgres" ]; then said="is not running"; else said="accepts no connections (pg_isready: $said)"; fi
    [ "$SECONDS" -lt "$deadline" ] ||
      fail "$POSTGRES_SERVICE $said, so the database $DATABASE cannot be reached. See: docker service ps --no-trunc $POSTGRES_SERVICE"
    sleep 1
  done
}

# in_database DATABASE SQL: answers rows, one a line.
in_database() {
  docker exec "$postgres" psql --no-psqlrc --username postgres --dbname "$1" --no-align --tuples-only --quiet \
    --set ON_ERROR_STOP=1 --command "$2"
}

database_exists() {
  [ "$(in_database postgres "SELECT count(*) FROM pg_database WHERE datname = '$1'")" = 1 ]
}

# drop_database DATABASE: with its sessions, if there is one. What uses it beyond sessions (a replication slot, a prepared
# transaction) keeps it, and Postgres says so.
drop_database() {
  local said
  said=$(docker exec --env PGOPTIONS='-c client_min_messages=warning' "$postgres" psql --no-psqlrc --quiet --username postgres \
    --dbname postgres --set ON_ERROR_STOP=1 --command "DROP DATABASE IF EXISTS \"$1\" WITH (FORCE)" 2>&1) ||
    fail "the database $1 could not be dropped. Postgres says:
$said"
}

# Databases that a restore has put aside, oldest first: `<name> <time> <bytes>`, the time as in 2026-01-28T14:30:22Z.
replaced_databases() {
  in_database postgres "SELECT datname, regexp_replace(datname, '^.*_(....)(..)(..)_(..)(..)(..)\$', '\1-\2-\3T\4:\5:\6Z'), pg_database_size(oid)
    FROM pg_database WHERE datname ~ '^${DATABASE}_replaced_[0-9]{8}_[0-9]{6}\$' ORDER BY 1" | tr '|' ' '
}

# Sets `schema_version` (0 when nothing was ever applied) and `schema_dirty` (yes or no), golang-migrate's record.
read_schema() {
  local row
  row=0
  # Other tools have a table of that name too, with other columns.
  if [ "$(in_database "$1" "SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass('schema_migrations') AND attname IN ('version', 'dirty')")" = 2 ]; then
    row=$(in_database "$1" "SELECT version || CASE WHEN dirty THEN ' dirty' ELSE '' END FROM schema_migrations LIMIT 1")
  fi
  schema_version=${row%% *}
  schema_version=${schema_version:-0}
  schema_dirty=no
  case $row in *dirty) schema_dirty=yes ;; esac
}

# Roles with their passwords as the server keeps them. One that exists stays as it is: its password may be newer. Roles that act as
# another one from their login on (components/data/database.ts) are left out: what was rotated away must not come back.
statements_creating_roles() {
  local logins
  logins=$(in_database postgres "SELECT string_agg(quote_ident(rolname), '|') FROM pg_roles, unnest(rolconfig) AS setting WHERE setting LIKE 'role=%'") &&
    docker exec "$postgres" pg_dumpall --username postgres --roles-only | awk -v logins="^(CREATE ROLE|ALTER ROLE|GRANT .* TO) (${logins:-;})[ ;]" '
    $0 ~ logins { next }
    /^CREATE ROLE / { print "DO $berth$ BEGIN"; print; alter = 1; next }
    alter { print; print "EXCEPTION WHEN duplicate_object THEN NULL; END $berth$;"; alter = 0; next }
    { print }'
}

# pack_snapshot FOLDER TIME: makes FOLDER.tar by way of FOLDER. pg_dump's own format keeps the database's owner, encoding, locale,
# privileges, settings and comment too (pg_restore's documentation, "--create").
pack_snapshot() {
  local tables
  mkdir "$1" && cd "$1" && read_schema "$DATABASE" && tables=$(count_tables "$DATABASE") &&
    statements_creating_roles >roles.sql &&
    docker exec "$postgres" pg_dump --username postgres --format custom --lock-wait-timeout=60s "$DATABASE" >database.dump &&
    docker exec --interactive "$postgres" pg_restore --list <database.dump >/dev/null &&
    jq --null-input --arg system "$SYSTEM" --arg environment "$ENVIRONMENT_NAME" --arg database "$DATABASE" --arg time "$2" \
      --arg schema "$schema_version$([ "$schema_dirty" = no ] || printf ' dirty')" --arg tables "$tables" \
      --arg sha256 "$(cat roles.sql database.dump | sha256sum | cut -c 1-64)" '$ARGS.named' >manifest.json &&
    # The manifest first: it is read without the rest.
    tar --create --file "$1.tar" manifest.json roles.sql database.dump
}

count_tables() {
  in_database "$1" "SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
}

disk_room() {
  df -Pm "$DIRECTORY" | awk 'NR == 2 { print $4 }'
}

# Fails when a snapshot like the last one would leave less than the floor; images that nothing needs go first. While it is
# packed, it takes its size twice.
require_room() {
  local last expected
  last=$(snapshots | tail -n 1)
  expected=$((2 * ($([ -z "$last" ] || stat --format %s "$DIRECTORY/$last") + 0) / 1048576 + 1))
  [ "$(disk_room)" -lt $((FLOOR_MEBIBYTES + expected)) ] || return 0
  sudo berth-prune-images now >/dev/null 2>&1 || true
  [ "$(disk_room)" -lt $((FLOOR_MEBIBYTES + expected)) ] || return 0
  fail "the snapshot of $DATABASE is not written, and so everything stops with the database as it was: some $expected MiB are needed, and $FLOOR_MEBIBYTES MiB stay free.
Room on the disk of $DIRECTORY: $(df -Ph "$DIRECTORY" | awk 'NR == 2 { print $4 " of " $2 }'). What takes it: sudo du --one-file-system --human-readable --max-depth=2 / | sort -h | tail"
}

# Writes a snapshot, complete or not there at all, and removes expired ones. Sets `snapshot`, its name. A file named as the
# argument is not removed for its age.
write_snapshot() {
  local spared=${1:-} now partial error=/run/lock/berth-${database_id}_snapshot-error
  sudo install -d -m 0700 -o "$(id -u)" -g "$(id -g)" "$DIRECTORY"
  rm -rf "${DIRECTORY:?}/${database_id}_${ENVIRONMENT_NAME}_"*.partial*
  require_room
  while
    now=$(date -u +%Y%m%d_%H%M%S)
    snapshot=${database_id}_${ENVIRONMENT_NAME}_$now.tar
    [ -e "$DIRECTORY/$snapshot" ]
  do sleep 0.2; done
  partial=$DIRECTORY/$snapshot.partial
  if ! (pack_snapshot "$partial" "${now:0:4}-${now:4:2}-${now:6:2}T${now:9:2}:${now:11:2}:${now:13:2}Z") 2>"$error"; then
    rm -rf "$partial" "$partial.tar"
    fail "the snapshot of $DATABASE failed, and so everything stops with the database as it was:
$(tail -n 5 "$error")
Room on the disk of $DIRECTORY: $(df -Ph "$DIRECTORY" | awk 'NR == 2 { print $4 " of " $2 }')"
  fi
  rm -rf "$partial" "$error"
  problem=$(snapshot_problem "$partial.tar")
  if [ -n "$problem" ]; then
    rm -f "$partial.tar"
    fail "the snapshot of $DATABASE that was just written cannot be used: $problem"
  fi
  sync "$partial.tar"
  mv "$partial.tar" "$DIRECTORY/$snapshot"
  note INFO "snapshot $snapshot, $(stat --format %s "$DIRECTORY/$snapshot") bytes"
  local old
  expired_snapshots | while read -r old; do [ "$old" = "$spared" ] || rm -f "${DIRECTORY:?}/$old"; done
}

# Snapshots that neither number nor age keeps: all but the last KEEP, and but the newest of each of the last KEEP_DAYS days, so that many
# releases of one day do not push out the days before.
expired_snapshots() {
  snapshots | sed -E 's/^.*_([0-9]{8})_[0-9]{6}\..*$/\1 &/' |
    awk -v keep="$KEEP" -v since="$(date -u -d "$((${KEEP_DAYS:-14} - 1)) days ago" +%Y%m%d)" '
      { day[NR] = $1; name[NR] = $2; newest[$1] = NR }
      END { for (n = 1; n <= NR - keep; n++) if (day[n] < since || newest[day[n]] != n) print name[n] }'
}

# Names of the database's snapshots, oldest first. Those in plain SQL (.sql.gz) were written by earlier versions.
snapshots() {
  { find "$DIRECTORY" -maxdepth 1 -regextype posix-extended -regex ".*/${database_id}_${ENVIRONMENT_NAME}_[0-9]{8}_[0-9]{6}\.(tar|sql\.gz)" -printf '%f\n' 2>/dev/null || true; } | LC_ALL=C sort
}

# snapshot_part FILE NAME...: files of a snapshot.
snapshot_part() {
  tar --extract --to-stdout --occurrence --file "$1" "${@:2}" 2>/dev/null
}

# What a snapshot says of itself, as JSON; nothing when it is none.
manifest() {
  if [[ $1 = *.sql.gz ]]; then
    { gzip --decompress --stdout "$1" 2>/dev/null || true; } | head -n 20 | jq --raw-input --null-input \
      'if input == "-- Berth snapshot" then [inputs | capture("^-- (?<key>[a-z]+)[a-z ]*: (?<value>.*)")] | from_entries else empty end' 2>/dev/null || true
  else
    snapshot_part "$1" manifest.json | jq objects 2>/dev/null || true
  fi
}

# Says why a snapshot cannot be restored here; nothing when it can.
snapshot_problem() {
  local about whose said
  about=$(manifest "$1")
  whose=$(jq --raw-output '"\(.system), \(.environment), database \(.database)"' <<<"$about")
  if [ -z "$about" ]; then
    echo "it does not begin as a snapshot does"
  elif [ "$whose" != "$SYSTEM, $ENVIRONMENT_NAME, database $DATABASE" ]; then
    echo "it is of $whose; here is $SYSTEM, $ENVIRONMENT_NAME, database $DATABASE"
  elif [[ $1 != *.sql.gz ]]; then
    said=$(snapshot_part "$1" roles.sql database.dump | sha256sum) || true
    [ "${said%% *}" = "$(jq --raw-output .sha256 <<<"$about")" ] || echo "it is truncated or damaged: its checksum differs"
  elif ! said=$(gzip --decompress --stdout "$1" 2>&1 >/dev/null); then
    echo "it is damaged: ${said##*: }"
  elif [ "$(gzip --decompress --stdout "$1" | tail -n 1)" != "-- Berth snapshot complete" ]; then
    echo "it is truncated: its last line is missing"
  fi
}

# Fails unless SNAPSHOT is one that can be restored here.
require_snapshot() {
  local problem
  [ -f "$DIRECTORY/$SNAPSHOT" ] || fail "there is no snapshot $SNAPSHOT in $DIRECTORY; there are: $(snapshots | tr '\n' ' ')"
  problem=$(snapshot_problem "$DIRECTORY/$SNAPSHOT")
  [ -z "$problem" ] || fail "$SNAPSHOT is refused, nothing was touched: $problem"
}

# superuser PROGRAM WORDS...: one that restores, in the server's container.
superuser() {
  docker exec --interactive --env PGOPTIONS='-c synchronous_commit=off' "$postgres" "$1" --username postgres "${@:2}"
}

# statements_creating_database FILE NAME: those about the database itself. pg_restore knows the dumped name alone, so NAME takes its
# place; a line of a comment that reads as such a statement changes with them. A schema without a name selects nothing else
# (pg_backup_archiver.c: "Database properties react to createDB, not selectivity options").
statements_creating_database() {
  superuser pg_restore --create --schema= --file=- < <(snapshot_part "$1" database.dump) |
    sed -E -e "s/^\\\\connect .*/\\\\connect \"$2\"/" \
      -e "s/^([A-Z][A-Z, ]* DATABASE|ALTER ROLE (\"([^\"]|\"\")*\"|[^\" ]+) IN DATABASE|SECURITY LABEL FOR [^ ]+ ON DATABASE) \"?$DATABASE\"?/\1 \"$2\"/"
}

# restore_into FILE NAME: creates what is missing of the roles, and the database NAME from a snapshot.
restore_into() {
  local psql=(psql --no-psqlrc --quiet --dbname postgres --set ON_ERROR_STOP=1)
  if [[ $1 = *.sql.gz ]]; then
    gzip --decompress --stdout "$1" | superuser "${psql[@]}" --set database="$2"
  else
    { snapshot_part "$1" roles.sql && statements_creating_database "$1" "$2"; } | superuser "${psql[@]}" &&
      snapshot_part "$1" database.dump | superuser pg_restore --exit-on-error --dbname "$2"
  fi
}

# restore_beside SNAPSHOT NAME: a new database of that name from a snapshot.
restore_beside() {
  local size room said aside
  drop_database "$2"
  # A full disk would stop the running database too.
  size=$(in_database postgres "SELECT coalesce(sum(pg_database_size(oid)), 0)::bigint / 1024 FROM pg_database WHERE datname = '$DATABASE'")
  # shellcheck disable=SC2016 # PGDATA is the container's.
  room=$(docker exec "$postgres" sh -c 'df -Pk "$PGDATA"' | awk 'NR == 2 { print $4 }')
  if [ "$room" -le $((size * 5 / 4 + 131072)) ]; then
    aside=$(replaced_databases | awk '{ printf "\n%s, %d MiB, put aside by a restore. Drop it: npm run ops -- drop-replaced %s --stack %s", $1, $3 / 1048576, of, stack }' \
      of="$SYSTEM" stack="$STACK")
    fail "a copy of $DATABASE needs $((size * 5 / 4 / 1024 + 128)) MiB beside it, the data volume has $((room / 1024)) MiB left; enlarge it: volumeGigabytes in berth:hosts$aside${without_copy:-}"
  fi
  said=$(restore_into "$DIRECTORY/$1" "$2" 2>&1 >/dev/null) || {
    drop_database "$2"
    fail "the snapshot $1 does not restore; nothing was replaced. PostgreSQL says:
$(tail -n 5 <<<"$said")"
  }
}
