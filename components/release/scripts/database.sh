# shellcheck shell=bash disable=SC2034,SC2153
# What the scripts share that touch a system's database. SYSTEM, ENVIRONMENT_NAME, DATABASE, POSTGRES_SERVICE, DIRECTORY,
# KEEP and FLOOR_MEBIBYTES are parameters. Whoever changes a database or its snapshots holds the lock of both: only_one "${SYSTEM}_database".

# Databases beside the running one. Each is made anew, so what an interrupted run left goes with the next.
rehearsal=${DATABASE}_rehearsal
restored=${DATABASE}_restored

# Sets `postgres`, the server's container.
find_postgres() {
  postgres=$(docker ps --quiet --filter "label=berth.resource=$POSTGRES_SERVICE" --filter status=running | head -n 1)
  [ -n "$postgres" ]
}

require_postgres() {
  find_postgres || fail "$POSTGRES_SERVICE is not running, so the database $DATABASE cannot be reached. See: docker service ps --no-trunc $POSTGRES_SERVICE"
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

# What pg_dump leaves to `--create`, under whatever name the snapshot is restored: psql fills in :"database".
statement_creating_database() {
  docker exec --interactive "$postgres" psql --no-psqlrc --username postgres --dbname "$DATABASE" --no-align --tuples-only --quiet --set ON_ERROR_STOP=1 <<'SQL'
SELECT concat('CREATE DATABASE :"database" TEMPLATE template0 ENCODING ', quote_literal(pg_encoding_to_char(encoding)),
  ' LC_COLLATE ', quote_literal(datcollate), ' LC_CTYPE ', quote_literal(datctype),
  CASE each ->> 'datlocprovider'
    WHEN 'i' THEN concat(' LOCALE_PROVIDER icu ICU_LOCALE ', quote_literal(coalesce(each ->> 'datlocale', each ->> 'daticulocale')),
      ' ICU_RULES ' || quote_literal(each ->> 'daticurules'))
    WHEN 'b' THEN ' LOCALE_PROVIDER builtin BUILTIN_LOCALE ' || quote_literal(each ->> 'datlocale')
  END,
  ' OWNER ', quote_ident(pg_get_userbyid(datdba)), ' CONNECTION LIMIT ', datconnlimit, ';')
FROM (SELECT *, to_jsonb(d) AS each FROM pg_database AS d WHERE datname = current_database()) AS this;
SQL
}

statements_about_database() {
  docker exec --interactive "$postgres" psql --no-psqlrc --username postgres --dbname "$DATABASE" --no-align --tuples-only --quiet --set ON_ERROR_STOP=1 <<'SQL'
SELECT 'COMMENT ON DATABASE :"database" IS ' || quote_literal(shobj_description(oid, 'pg_database')) || ';'
FROM pg_database WHERE datname = current_database() AND shobj_description(oid, 'pg_database') IS NOT NULL;
-- Lists are kept as SQL writes them, everything else as plain text.
SELECT concat(CASE setrole WHEN 0 THEN 'ALTER' ELSE format('ALTER ROLE %I IN', pg_get_userbyid(setrole)) END,
  ' DATABASE :"database" SET ', quote_ident(name), ' TO ',
  CASE WHEN name IN ('search_path', 'temp_tablespaces', 'local_preload_libraries', 'session_preload_libraries')
    THEN replace(value, '""', '''''') ELSE quote_literal(value) END, ';')
FROM pg_db_role_setting, unnest(setconfig) WITH ORDINALITY AS each(entry, place),
  LATERAL (SELECT split_part(entry, '=', 1) AS name, substr(entry, strpos(entry, '=') + 1) AS value) AS setting
WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY setrole, place;
SELECT concat('REVOKE ALL ON DATABASE :"database" FROM PUBLIC; REVOKE ALL ON DATABASE :"database" FROM ', quote_ident(pg_get_userbyid(datdba)), ';')
FROM pg_database WHERE datname = current_database() AND datacl IS NOT NULL;
SELECT concat(CASE WHEN grantor <> datdba THEN format('SET ROLE %I; ', pg_get_userbyid(grantor)) END,
  'GRANT ', privilege_type, ' ON DATABASE :"database" TO ',
  CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
  CASE WHEN is_grantable THEN ' WITH GRANT OPTION' END, ';',
  CASE WHEN grantor <> datdba THEN ' RESET ROLE;' END)
FROM pg_database, aclexplode(datacl) WITH ORDINALITY AS acl(grantor, grantee, privilege_type, is_grantable, place)
WHERE datname = current_database() ORDER BY grantor <> datdba, place;
SQL
}

# Roles with their passwords as the server keeps them. One that exists stays as it is: its password may be newer.
statements_creating_roles() {
  docker exec "$postgres" pg_dumpall --username postgres --roles-only | awk '
    /^CREATE ROLE / { print "DO $berth$ BEGIN"; print; alter = 1; next }
    alter { print; print "EXCEPTION WHEN duplicate_object THEN NULL; END $berth$;"; alter = 0; next }
    { print }'
}

# snapshot_text TIME: the whole snapshot. psql alone restores it, as a superuser, under its own or another name.
snapshot_text() {
  local tables
  read_schema "$DATABASE" || return 1
  tables=$(in_database "$DATABASE" "SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')") || return 1
  cat <<HEADER
-- Berth snapshot
-- system: $SYSTEM
-- environment: $ENVIRONMENT_NAME
-- database: $DATABASE
-- time: $1
-- schema version: $schema_version$([ "$schema_dirty" = no ] || printf ' dirty')
-- tables: $tables
--
-- Restore it with psql, connected to another database as a superuser; add -v database=NAME for another name than its own:
--   gunzip -c FILE | psql --no-psqlrc -d postgres
\set ON_ERROR_STOP on
\if :{?database}
\else
\set database '$DATABASE'
\endif
HEADER
  statements_creating_roles &&
    statement_creating_database &&
    printf '%s\n' '\connect :"database"' &&
    docker exec "$postgres" pg_dump --username postgres --lock-wait-timeout=60s "$DATABASE" &&
    statements_about_database &&
    printf '%s\n' '-- Berth snapshot complete'
}

disk_room() {
  df -Pm "$DIRECTORY" | awk 'NR == 2 { print $4 }'
}

# Fails when a snapshot like the last one would leave less than the floor; images that nothing needs go first.
require_room() {
  local last expected
  last=$(snapshots | tail -n 1)
  expected=$((($([ -z "$last" ] || stat --format %s "$DIRECTORY/$last") + 0) / 1048576 + 1))
  [ "$(disk_room)" -lt $((FLOOR_MEBIBYTES + expected)) ] || return 0
  sudo berth-prune-images now >/dev/null 2>&1 || true
  [ "$(disk_room)" -lt $((FLOOR_MEBIBYTES + expected)) ] || return 0
  fail "the snapshot of $DATABASE is not written, and so everything stops with the database as it was: some $expected MiB are needed, and $FLOOR_MEBIBYTES MiB stay free.
Room on the disk of $DIRECTORY: $(df -Ph "$DIRECTORY" | awk 'NR == 2 { print $4 " of " $2 }'). What takes it: sudo du --one-file-system --human-readable --max-depth=2 / | sort -h | tail"
}

# Writes a snapshot, complete or not there at all, and keeps the last ones. Sets `snapshot`, its name. A file named as the
# argument is not removed for its age.
write_snapshot() {
  local spared=${1:-} now partial error=/run/lock/berth-${SYSTEM}_snapshot-error
  sudo install -d -m 0700 -o "$(id -u)" -g "$(id -g)" "$DIRECTORY"
  find "$DIRECTORY" -name '*.partial' -delete
  require_room
  while
    now=$(date -u +%Y%m%d_%H%M%S)
    snapshot=${SYSTEM}_${ENVIRONMENT_NAME}_$now.sql.gz
    [ -e "$DIRECTORY/$snapshot" ]
  do sleep 0.2; done
  partial=$DIRECTORY/$snapshot.partial
  if ! { snapshot_text "${now:0:4}-${now:4:2}-${now:6:2}T${now:9:2}:${now:11:2}:${now:13:2}Z" | gzip >"$partial"; } 2>"$error"; then
    rm -f "$partial"
    fail "the snapshot of $DATABASE failed, and so everything stops with the database as it was:
$(tail -n 5 "$error")
Room on the disk of $DIRECTORY: $(df -Ph "$DIRECTORY" | awk 'NR == 2 { print $4 " of " $2 }')"
  fi
  rm -f "$error"
  problem=$(snapshot_problem "$partial")
  if [ -n "$problem" ]; then
    rm -f "$partial"
    fail "the snapshot of $DATABASE that was just written is no good: $problem"
  fi
  sync "$partial"
  mv "$partial" "$DIRECTORY/$snapshot"
  note INFO "snapshot $snapshot, $(stat --format %s "$DIRECTORY/$snapshot") bytes"
  local old
  snapshots | head -n "-$KEEP" | while read -r old; do [ "$old" = "$spared" ] || rm -f "${DIRECTORY:?}/$old"; done
}

# Names of the environment's snapshots, oldest first.
snapshots() {
  { find "$DIRECTORY" -maxdepth 1 -name "${SYSTEM}_${ENVIRONMENT_NAME}_*.sql.gz" -printf '%f\n' 2>/dev/null || true; } | LC_ALL=C sort
}

# snapshot_field FILE NAME: a line of a snapshot's head.
snapshot_field() {
  { gzip --decompress --stdout "$1" 2>/dev/null || true; } | head -n 20 | sed -n "s/^-- $2: //p" | head -n 1
}

# Says why a file cannot be restored here; nothing when it can.
snapshot_problem() {
  local first last system environment database
  first=$({ gzip --decompress --stdout "$1" 2>/dev/null || true; } | head -n 1)
  [ "$first" = "-- Berth snapshot" ] || { echo "it does not begin as a snapshot does"; return; }
  system=$(snapshot_field "$1" system) environment=$(snapshot_field "$1" environment) database=$(snapshot_field "$1" database)
  if [ "$system $environment $database" != "$SYSTEM $ENVIRONMENT_NAME $DATABASE" ]; then
    echo "it is of $system, $environment, database $database; here is $SYSTEM, $ENVIRONMENT_NAME, database $DATABASE"
    return
  fi
  if ! last=$(gzip --decompress --stdout "$1" 2>&1 >/dev/null); then
    echo "it is damaged: ${last##*: }"
    return
  fi
  last=$(gzip --decompress --stdout "$1" | tail -n 1)
  [ "$last" = "-- Berth snapshot complete" ] || echo "it is truncated: its last line is missing"
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
  said=$(gzip --decompress --stdout "$DIRECTORY/$1" |
    docker exec --interactive --env PGOPTIONS='-c synchronous_commit=off' "$postgres" \
      psql --no-psqlrc --quiet --username postgres --dbname postgres --set database="$2" 2>&1 >/dev/null) || {
    drop_database "$2"
    fail "the snapshot $1 does not restore; nothing was replaced. psql says:
$(tail -n 5 <<<"$said")"
  }
}
