# shellcheck shell=bash disable=SC2154
# Prints a database as plain SQL: as it is now, or as SNAPSHOT has it. Runs after database.sh.
require_postgres
printf '%s\n' '\set ON_ERROR_STOP on'
if [ -z "$SNAPSHOT" ]; then
  statements_creating_roles
  docker exec "$postgres" pg_dump --username postgres --create --lock-wait-timeout=60s "$DATABASE"
  return
fi
require_snapshot
if [[ $SNAPSHOT = *.sql.gz ]]; then
  gzip --decompress --stdout "$DIRECTORY/$SNAPSHOT"
else
  snapshot_part "$DIRECTORY/$SNAPSHOT" roles.sql
  snapshot_part "$DIRECTORY/$SNAPSHOT" database.dump | superuser pg_restore --create --file=-
fi
