# shellcheck shell=bash disable=SC2154
# Brings the schema to what the new image expects: once, in that image, first on a copy. Runs after job.sh,
# database.sh and golang-migrate.sh. SKIP is "yes" when this version's migrations are skipped.
[ "$SKIP" != yes ] || exit 0
only_one "${SYSTEM}_database" "$WAIT_SECONDS"
require_postgres
clear_leftovers
trap remove_jobs EXIT
# The snapshot that this release has just written; what an interrupted one left is too old to go back to.
snapshot=
[ -z "$(find "$DIRECTORY/.for-migration" -mmin -15 2>/dev/null)" ] || snapshot=$(cat "$DIRECTORY/.for-migration")
rm -f "$DIRECTORY/.for-migration"

pull "$IMAGE"
files=$(migration_files "$IMAGE" up)
expected=$(newest_version "$IMAGE")
read_schema "$DATABASE"
refuse_dirty
schema_before=$schema_version
if [ "$schema_before" -eq "$expected" ]; then
  note INFO "nothing to apply: the schema is at version $expected"
  exit 0
fi
if [ "$schema_before" -gt "$expected" ]; then
  fail "the schema of $DATABASE is at version $schema_before, and $VERSION ships version $expected: this is going back to a version that is older than the database. Nothing was changed; the running version serves. Choose:
  1. keep the newer schema. Right when its migrations only added: the old code does not notice. Acknowledge it for this version:
      npx pulumi config set --path $SYSTEM:migrations.skipFor $VERSION --stack $STACK
  2. reverse the migrations (what they added is lost):
      npm run ops -- reverse-migration $SYSTEM --to $expected --stack $STACK
  3. restore a snapshot from before them (what was written since is lost):
      npm run ops -- snapshots $SYSTEM --stack $STACK
      npm run ops -- restore $SYSTEM <snapshot> --as-it-was --stack $STACK
Then deploy again. 2 and 3 take the schema away from under the version that runs now. Without a gap: first 1 and a deploy, then 2 or 3, then remove the acknowledgement and deploy once more."
fi

[ -f "$DIRECTORY/$snapshot" ] || write_snapshot
rehearse "$IMAGE" "$expected" up
sudo install -D -m 0644 /dev/stdin "$schema_image_file" <<<"$IMAGE"
if migrate_job migration "$IMAGE" "$DATABASE" up; then
  read_schema "$DATABASE"
  [ "$schema_version $schema_dirty" = "$expected no" ] ||
    fail "the migrations of $SERVICE ended, but the schema is at version $schema_version (dirty: $schema_dirty) and not at $expected"
  note INFO "the schema went from version $schema_before to $expected"
  exit 0
fi

# What was good in the rehearsal failed on the database itself.
read_schema "$DATABASE"
failed_at=$schema_version
file=$(while read -r each; do [ "$(versions <<<"$each")" -ne "$failed_at" ] || echo "$each"; done <<<"$files")
previous=$(versions <<<"$files" | awk -v at="$failed_at" '$1 < at' | tail -n 1)
if settle "$file" "${previous:-0}"; then
  state="It was rolled back and the dirty flag set back: the schema is at version $schema_version."
else
  state="It ends transactions by itself, so part of it may be there: the schema stays marked dirty at version $failed_at."
fi
applied=$(versions <<<"$files" | awk -v from="$schema_before" -v to="$schema_version" '$1 > from && $1 <= to' | tr '\n' ' ')
fail "the migrations of $SERVICE failed on the database, although their rehearsal on a copy went well. The release stops; the old version serves.
Failed: ${file:-unknown}. $state
Applied before it: ${applied:-none}
$job_report
$(ways_back)
Or mend the migration and deploy again."
