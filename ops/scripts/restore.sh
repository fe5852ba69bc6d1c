# shellcheck shell=bash disable=SC2154
# Replaces a database with a snapshot: restored beside it, migrated to the schema of the deployed version unless AS_IT_WAS is
# "yes", checked, then swapped with it by name. Nothing is stopped. Runs after job.sh, database.sh, migration-steps.sh, golang-migrate.sh and
# replaced.sh. SNAPSHOT is a parameter.
only_one "${database_id}_database" 900
require_postgres
require_snapshot
safety=
if database_exists "$DATABASE"; then
  write_snapshot "$SNAPSHOT"
  safety=$snapshot
fi

restore_beside "$SNAPSHOT" "$restored"
read_schema "$restored"
tables=$(count_tables "$restored")
if [ "$schema_version, $tables" != "$(manifest "$DIRECTORY/$SNAPSHOT" | jq --raw-output '"\(.schema | split(" ")[0]), \(.tables)"')" ]; then
  drop_database "$restored"
  fail "$SNAPSHOT restored to schema version $schema_version with $tables tables, which differs from its manifest; nothing was replaced"
fi
if [ "$AS_IT_WAS" != yes ]; then
  plan_steps "$restored"
  if ! run_steps rehearsal "$restored"; then
    drop_database "$restored"
    fail "the migrations of $VERSION ($step_name) failed on what $SNAPSHOT restored; nothing was replaced. To keep the snapshot's schema: --as-it-was
$job_report"
  fi
  read_schema "$restored"
fi
in_database "$restored" ANALYZE >/dev/null

# The swap, in one transaction: sessions end, names change. New connections wait until it has ended; a connection that was opened in
# between makes the renaming fail, and it is tried again. The replaced database is kept with all that was written until
# then, some of which the snapshot written before may lack.
exchange="ALTER DATABASE \"$restored\" RENAME TO \"$DATABASE\""
replaced=
if [ -n "$safety" ]; then
  replaced=${DATABASE}_replaced_$(date -u +%Y%m%d_%H%M%S)
  exchange="ALTER DATABASE \"$DATABASE\" RENAME TO \"$replaced\"; $exchange"
  # Before the swap, so that a replaced database never exists without a timer that drops it.
  install_replaced_timer
fi
for attempt in 1 2 3 4 5; do
  said=$(in_database postgres "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname IN ('$DATABASE', '$restored'); $exchange" 2>&1) && break
  [ "$attempt" -lt 5 ] || { drop_database "$restored"; fail "the databases could not be swapped; nothing has changed: $said"; }
done
rows=$(in_database "$DATABASE" "SELECT coalesce(sum(n_live_tup), 0) FROM pg_stat_user_tables")
jq --null-input --arg snapshot "$SNAPSHOT" --arg safety "$safety" --arg replaced "$replaced" --arg schema "$schema_version" --argjson tables "$tables" --argjson rows "$rows" '$ARGS.named'
