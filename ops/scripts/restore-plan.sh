# shellcheck shell=bash disable=SC2154
# Says what a restore would do, as JSON, and refuses what cannot be restored here; changes nothing. Runs after database.sh,
# migration-steps.sh and golang-migrate.sh. SNAPSHOT is a parameter, empty for the newest.
require_postgres
if [ -z "$SNAPSHOT" ]; then
  SNAPSHOT=$(snapshots | tail -n 1)
  [ -n "$SNAPSHOT" ] || fail "there is no snapshot of $SYSTEM $ENVIRONMENT_NAME in $DIRECTORY; write one: npm run ops -- snapshot $SYSTEM --stack $STACK"
fi
require_snapshot
deployed=
if use_golang_migrate; then deployed=$(newest_version "$step_image"); fi
current=none
if database_exists "$DATABASE"; then
  read_schema "$DATABASE"
  current=$schema_version
  [ "$schema_dirty" = no ] || current="$current, dirty"
fi
manifest "$DIRECTORY/$SNAPSHOT" | jq --arg snapshot "$SNAPSHOT" --arg current "$current" --arg deployed "$deployed" '. + $ARGS.named'
