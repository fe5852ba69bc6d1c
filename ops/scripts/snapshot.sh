# shellcheck shell=bash disable=SC2154
# Writes a snapshot now and names it. Runs after database.sh.
only_one "${database_id}_database" 900
require_postgres
write_snapshot
printf '%s\n' "$snapshot"
