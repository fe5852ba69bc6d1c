# shellcheck shell=bash disable=SC2154
# Writes a snapshot of a database: roles, schema, data and permissions, compressed, complete or not there at all. Runs after
# database.sh. SKIP is "yes" when this version's migrations are skipped.
[ "$SKIP" != yes ] || exit 0
only_one "${database_id}_database" 900
require_postgres
write_snapshot
# For the migration that follows: a snapshot serves one.
printf '%s\n' "$snapshot" >"$for_migration"
