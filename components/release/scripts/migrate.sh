# shellcheck shell=bash disable=SC2034,SC2154
# Brings the database to what the new version expects: each step of its migrations once, first on a copy. Runs after job.sh,
# database.sh, migration-steps.sh and golang-migrate.sh. SKIP is "yes" when this version's migrations are skipped, REHEARSE is "no" when
# their rehearsal is.
[ "$SKIP" != yes ] || exit 0
only_one "${database_id}_database" "$WAIT_SECONDS"
require_postgres
clear_leftovers
trap remove_jobs EXIT
without_copy="
Or release this version without its rehearsal: npx pulumi config set --path $MIGRATIONS.skipRehearsalFor $VERSION --stack $STACK"
# The snapshot that this release has just written; what an interrupted one left is too old to go back to.
snapshot=
[ -z "$(find "$for_migration" -mmin -15 2>/dev/null)" ] || snapshot=$(cat "$for_migration")
rm -f "$for_migration"

schema_before=
if use_golang_migrate; then
  pull "$step_image"
  expected_schema=$(newest_version "$step_image")
  read_schema "$DATABASE"
  refuse_dirty
  refuse_newer
  schema_before=$schema_version
fi
plan_steps "$DATABASE"
[ "${#pending[@]}" -gt 0 ] || exit 0
[ -f "$DIRECTORY/$snapshot" ] || write_snapshot
went="although their rehearsal on a copy went well"
if [ "$REHEARSE" = yes ]; then
  rehearse run_steps
else
  went="and their rehearsal was skipped"
  note WARN "not rehearsed: $MIGRATIONS.skipRehearsalFor is $VERSION"
fi
if run_steps migration "$DATABASE"; then
  note INFO "applied: $applied"
  exit 0
fi

# It failed on the database itself.
failed=$step_name
state="What it applied until it failed may be there."
if [ "$step_kind" = golang-migrate ]; then
  files=$(migration_files "$step_image" up)
  read_schema "$DATABASE"
  failed_at=$schema_version
  file=$(while read -r each; do [ "$(versions <<<"$each")" -ne "$failed_at" ] || echo "$each"; done <<<"$files")
  previous=$(versions <<<"$files" | awk -v at="$failed_at" '$1 < at' | tail -n 1)
  failed=${file:-unknown}
  if take_flag_back "$file" "${previous:-0}"; then
    state="It was rolled back and the dirty flag set back: the schema is at version $schema_version."
  else
    state="It ends transactions by itself, so part of it may be there: the schema stays marked dirty at version $failed_at."
  fi
  reached=$(versions <<<"$files" | awk -v from="$schema_before" -v to="$schema_version" '$1 > from && $1 <= to' | tr '\n' ' ')
  applied+=${reached:+${applied:+, }$step_name $reached}
elif use_golang_migrate; then
  read_schema "$DATABASE"
fi
reverse=
[ "${schema_version:-}" = "$schema_before" ] || reverse="Take back what was applied:   npm run ops -- reverse-migration $SYSTEM --to $schema_before --stack $STACK
"
fail "the migrations of $SERVICE failed on the database, $went. The release stops; the old version serves.
Failed: $failed. $state
Applied before it: ${applied:-none}
$job_report
${reverse}Restore the snapshot of before (what was written since is lost):   npm run ops -- restore $SYSTEM $snapshot --stack $STACK
Or mend the migration and deploy again."
