# shellcheck shell=bash disable=SC2153,SC2154
# Fills a database with the rows of a dump from elsewhere, whose schema was found equal: what uses the database is stopped, the rows go into a
# copy of it, are counted, and the copy takes its place. When anything fails, the database is as it was and all runs again. Runs after job.sh,
# database.sh, migration-steps.sh, golang-migrate.sh, replaced.sh, exchange.sh, dump.sh, container.sh and stopped.sh.
#
# DUMP, SCHEMA_QUERY (schema.sql) and SCHEMA_SHA256 (of what it said when they were compared), EXPECTED and ROW_COUNTS (lines of table and rows
# in the dump, and the query for them), FOREIGN_KEYS (foreign-keys.sql), LEFT_OUT (lines `<schema> <name>` of tables and their sequences that
# stay as they are), CLIENTS (lines of a service that uses the database, and of the folder that it keeps if it keeps one) and RECORDS are
# parameters.
only_one "${database_id}_database" 900
require_postgres
# Slots that are stopped, with their tasks. A host that goes down meanwhile keeps it, for the next run.
stopped_file=$DIRECTORY/.stopped-$database_id
stopped=()

stop_clients() {
  local service kept slot tasks lines=
  while read -r service kept; do
    [ -n "$service" ] || continue
    slot=$(SERVICE=$service serving 2>/dev/null) || continue
    tasks=$(service_tasks_wanted "$slot")
    [ "${tasks:-0}" != 0 ] || tasks=$(awk -v slot="$slot" '$2 == slot { print $3 }' "$stopped_file" 2>/dev/null) || tasks=
    [ -z "$tasks" ] || lines+="$service $slot $tasks $kept"$'\n'
  done <<<"$CLIENTS"
  printf '%s' "$lines" >"$stopped_file.new"
  sync "$stopped_file.new"
  mv "$stopped_file.new" "$stopped_file"
  stopped_at=$EPOCHREALTIME
  while read -r service slot tasks kept; do
    [ -n "$service" ] || continue
    stopped+=("$service")
    scale_service "$slot" 0
  done <"$stopped_file"
  while read -r service slot tasks kept; do
    [ -z "$service" ] || await_stop "$slot" 60 || fail "$slot was stopped and still runs after 60 s; nothing was changed. See: docker service ps --no-trunc $slot"
  done <"$stopped_file"
}

start_clients() {
  local service slot tasks kept failed=0
  [ -f "$stopped_file" ] || return 0
  while read -r service slot tasks kept; do
    [ -z "$service" ] || scale_service "$slot" "$tasks" || failed=1
  done <"$stopped_file"
  return "$failed"
}

# What comes over the network is a service. Sessions on the host are this script's, a backup's or somebody's psql.
await_no_sessions() {
  local sessions deadline=$((SECONDS + 30))
  while :; do
    sessions=$(in_database postgres "SELECT format('  %s, role %s, from %s', coalesce(nullif(application_name, ''), 'no name'), usename, host(client_addr))
      FROM pg_stat_activity WHERE datname = '$DATABASE' AND client_addr IS NOT NULL")
    [ -n "$sessions" ] || return 0
    [ "$SECONDS" -lt "$deadline" ] || break
    sleep 0.5
  done
  fail "$DATABASE is used by others than what was stopped (${stopped[*]:-nothing}), and what they write would be lost; nothing was changed. End them:
$sessions"
}

# shellcheck disable=SC2317 # The trap calls it.
clean_up() {
  # First of all: whatever else fails, the services run again.
  if start_clients; then
    rm -f "$stopped_file"
  else
    echo "WARNING: not everything was started again. $stopped_file has each service, its slot and its tasks; on the host: docker service scale <slot>=<tasks>" >&2
  fi
  rm -f "$DUMP"
  docker exec "$postgres" rm -f /tmp/berth-rows || true
  # Once it has the running one's name, there is nothing to drop.
  (drop_database "$restored") || true
}
trap clean_up EXIT

[ "$(generated "$DATABASE" "$SCHEMA_QUERY" | sha256sum | cut -c 1-64)" = "$SCHEMA_SHA256" ] ||
  fail "the schema of $DATABASE has changed since it was compared; nothing was changed. Run the command again"
contents=$(dump_contents)
stop_clients
await_no_sessions
counted=$(generated "$DATABASE" "$ROW_COUNTS")
filled=$(awk -F '|' 'NR == FNR { wanted[$1] = 1; next } wanted[$1] && $2 > 0 { printf "  %s has %d rows\n", $1, $2 }' <(cat <<<"$EXPECTED") <(cat <<<"$counted"))
[ -z "$filled" ] || fail "rows were written before everything was stopped; nothing was changed. Of its tables:
$filled"

write_snapshot
safety=$snapshot
restore_beside "$snapshot" "$restored"
# The table of contents without what stays. A trigger that is off, or always on, would be on like any other afterwards.
awk 'NR == FNR { if ($0 != "") out["TABLE DATA " $0 " "] = out["SEQUENCE SET " $0 " "] = 1; next }
  / (TABLE DATA|SEQUENCE SET) / { for (each in out) if (index($0, " " each)) next; print }' <(cat <<<"$LEFT_OUT") <(cat <<<"$contents") |
  docker exec --interactive "$postgres" sh -c 'cat >/tmp/berth-rows'
triggers=$(in_database "$restored" "SELECT format('ALTER TABLE %s %s TRIGGER %I;', tgrelid::regclass, CASE tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE ALWAYS' END, tgname)
  FROM pg_trigger WHERE tgenabled <> 'O' AND tgparentid = 0")
said=$(superuser pg_restore --data-only --disable-triggers --exit-on-error --no-owner --no-privileges \
  --use-list /tmp/berth-rows --dbname "$restored" <"$DUMP" 2>&1) ||
  fail "the dump's rows do not go in; nothing was changed. PostgreSQL says:
$(tail -n 5 <<<"$said")"
[ -z "$triggers" ] || in_database "$restored" "$triggers" >/dev/null
counted=$(generated "$restored" "$ROW_COUNTS")
require_rows "$counted" "the dump"
orphans=$(generated "$restored" "$FOREIGN_KEYS" | awk -F '|' '{ printf "  %s: %d rows\n", $1, $2 }')
[ -z "$orphans" ] || fail "rows of the dump refer to rows that are not there; nothing was changed. By these foreign keys:
$orphans"
generated "$restored" "SELECT format('REFRESH MATERIALIZED VIEW %s', oid::regclass) FROM pg_class WHERE relkind = 'm' AND relispopulated ORDER BY oid \gexec" >/dev/null
in_database "$restored" ANALYZE >/dev/null
exchange_databases

# It has taken the database's place: from here on nothing is undone.
cleared=()
while read -r service slot tasks kept; do
  if [ -n "$kept" ] && keeps_folder "$slot" "$kept"; then
    sudo find "$kept" -mindepth 1 -delete
    cleared+=("$service")
  fi
done <"$stopped_file"
start_clients
unhealthy=
while read -r service slot tasks kept; do
  await_healthy "$slot" "$tasks" || unhealthy+="$service is not healthy after $healthy_seconds s.
$(service_report "$slot")
"
done <"$stopped_file"
ended=$EPOCHREALTIME
clean_up
trap - EXIT
[ -z "$unhealthy" ] || fail "$DATABASE was restored; the database before is kept as $replaced, and in the snapshot $safety.
$unhealthy"
jq --null-input --arg safety "$safety" --arg replaced "$replaced" --argjson rows "$(rows_as_json <<<"$counted")" \
  --argjson seconds "$(awk -v from="$stopped_at" -v to="$ended" 'BEGIN { printf "%.1f", to - from }')" \
  --arg stopped "${stopped[*]:-}" --arg cleared "${cleared[*]:-}" \
  '{ $safety, $replaced, $seconds, rows: $rows, stopped: ($stopped / " " | map(select(. != ""))), cleared: ($cleared / " " | map(select(. != ""))) }'
