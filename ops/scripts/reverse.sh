# shellcheck shell=bash disable=SC2034,SC2154
# Reverses the schema to version TO with the down scripts of the image that migrated it: after a snapshot, first on a
# copy. Runs after job.sh, database.sh, migration-steps.sh and golang-migrate.sh. TO is a parameter.
only_one "${database_id}_database" 900
require_postgres
clear_leftovers
trap remove_jobs EXIT
use_golang_migrate || fail "$SYSTEM has no migrations of kind golang-migrate"
read_schema "$DATABASE"
refuse_dirty
schema_before=$schema_version
[ "$TO" -lt "$schema_before" ] || fail "the schema of $DATABASE is at version $schema_before, so there is nothing to reverse to reach $TO"
versions_before="$step_name version $schema_before"
step_image=$(cat "$schema_image_file" 2>/dev/null || echo "$step_image")
pull "$step_image"
words=(goto "$TO")
[ "$TO" != 0 ] || words=(down -all)
# reverse_steps KIND DATABASE
reverse_steps() {
  step_job "$1" "$2" migrate "${words[@]}" || return 1
  read_schema "$2"
  [ "$schema_version $schema_dirty" != "$TO no" ] || return 0
  job_report="It ended, but the schema is at version $schema_version (dirty: $schema_dirty) and not at $TO."
  return 1
}
write_snapshot
rehearse reverse_steps
if ! reverse_steps migration "$DATABASE"; then
  # While reversing, golang-migrate records the version that the failed script would have reached.
  read_schema "$DATABASE"
  reached=$schema_version
  next=$(migration_files "$step_image" down | while read -r file; do echo "$(versions <<<"$file") $file"; done | awk -v at="$reached" '$1 > at' | head -n 1)
  take_flag_back "${next#* }" "${next%% *}" || true
  fail "reversing failed on the database, although its rehearsal on a copy succeeded: ${next#* }. The schema is at version $schema_version (dirty: $schema_dirty). Snapshot of the database before: $snapshot
$job_report"
fi
read_schema "$DATABASE"
jq --null-input --arg from "$schema_before" --arg schema "$schema_version" --arg snapshot "$snapshot" '$ARGS.named'
