# shellcheck shell=bash disable=SC2154
# Replaces a database with a snapshot: restored beside it, migrated to the schema of the deployed version unless AS_IT_WAS is
# "yes", checked, then swapped with it by name. Nothing is stopped. Runs after job.sh, database.sh, migration-steps.sh, golang-migrate.sh,
# replaced.sh and exchange.sh. SNAPSHOT is a parameter.
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
[ "$AS_IT_WAS" = yes ] || bring_along "$SNAPSHOT" " To keep the snapshot's schema: --as-it-was"
in_database "$restored" ANALYZE >/dev/null
# Some of what the replaced database holds the snapshot written before may lack.
exchange_databases
rows=$(in_database "$DATABASE" "SELECT coalesce(sum(n_live_tup), 0) FROM pg_stat_user_tables")
jq --null-input --arg snapshot "$SNAPSHOT" --arg safety "$safety" --arg replaced "$replaced" --arg schema "$schema_version" --argjson tables "$tables" --argjson rows "$rows" '$ARGS.named'
