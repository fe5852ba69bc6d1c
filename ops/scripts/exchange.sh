# shellcheck shell=bash disable=SC2034,SC2154
# How a database that was made beside the running one takes its place. Runs after job.sh, database.sh, migration-steps.sh,
# golang-migrate.sh and replaced.sh.

# bring_along WHAT [ADVICE]: migrates `restored` to the schema of the deployed version, and reads its version. WHAT filled it.
bring_along() {
  plan_steps "$restored"
  if ! run_steps rehearsal "$restored"; then
    drop_database "$restored"
    fail "the migrations of $VERSION ($step_name) failed on what $1 restored; nothing was replaced.${2:-}
$job_report"
  fi
  read_schema "$restored"
}

# exchange_databases: swaps `restored` with the running database by name. Sets `replaced`, the name of what was there, empty for nothing.
# In one transaction: sessions end, names change. New connections wait until it has ended; a connection that was opened in between makes
# the renaming fail, and it is tried again. The replaced database is kept with all that was written until then.
exchange_databases() {
  local exchange attempt said
  exchange="ALTER DATABASE \"$restored\" RENAME TO \"$DATABASE\""
  replaced=
  if database_exists "$DATABASE"; then
    replaced=${DATABASE}_replaced_$(date -u +%Y%m%d_%H%M%S)
    exchange="ALTER DATABASE \"$DATABASE\" RENAME TO \"$replaced\"; $exchange"
    # Before the swap, so that a replaced database never exists without a timer that drops it.
    install_replaced_timer
  fi
  for attempt in 1 2 3 4 5; do
    said=$(in_database postgres "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname IN ('$DATABASE', '$restored'); $exchange" 2>&1) && break
    [ "$attempt" -lt 5 ] || { drop_database "$restored"; fail "the databases could not be swapped; nothing has changed: $said"; }
  done
  [ -z "$replaced" ] || drop_replication_slots "$replaced"
}

# drop_replication_slots DATABASE: a logical replication slot belongs to the database that it was made in, whatever that is called now. Who
# streamed it makes one in the database of that name when there is none; until then it fails. One may be held for a moment by who tries.
drop_replication_slots() {
  local left attempt
  for attempt in $(seq 40); do
    in_database postgres "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = '$1' AND NOT active" >/dev/null 2>&1 || true
    left=$(in_database postgres "SELECT string_agg(slot_name, ' ') FROM pg_replication_slots WHERE database = '$1'")
    [ -n "$left" ] || return 0
    sleep 0.25
  done
  printf 'WARNING: the replication slots %s belong to the replaced database %s and are in use; stop who streams them, then drop them: SELECT pg_drop_replication_slot(…)\n' "$left" "$1" >&2
}
