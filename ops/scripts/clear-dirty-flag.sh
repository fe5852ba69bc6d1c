# shellcheck shell=bash disable=SC2153,SC2154
# Says which version a schema is at that is marked dirty, by golang-migrate's own `force`. Runs after job.sh, database.sh,
# migration-steps.sh and golang-migrate.sh. AT is a parameter.
only_one "${database_id}_database" 900
use_golang_migrate || fail "$SYSTEM has no migrations of kind golang-migrate, so it has no dirty flag"
require_postgres
read_schema "$DATABASE"
[ "$schema_dirty" = yes ] || fail "the schema of $DATABASE is at version $schema_version and not marked dirty; nothing was changed"
step_image=$(cat "$schema_image_file" 2>/dev/null || echo "$step_image")
pull "$step_image"
files=$(migration_files "$step_image" up)
[ "$AT" -eq 0 ] || versions <<<"$files" | grep --quiet --line-regexp "$AT" ||
  fail "$step_image has no schema version $AT; it has: 0 $(versions <<<"$files" | tr '\n' ' ')"
from=$schema_version
trap remove_jobs EXIT
clear_dirty_flag "$AT" || fail "the dirty flag of $DATABASE was not cleared. $job_report"
jq --null-input --arg from "$from" --arg schema "$schema_version" '$ARGS.named'
