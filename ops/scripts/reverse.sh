# shellcheck shell=bash disable=SC2154
# Takes the schema back to version TO with the down scripts of the image that brought it here: after a snapshot, first on a
# copy. Runs after job.sh, database.sh and golang-migrate.sh. TO is a parameter.
only_one "${SYSTEM}_database" 900
require_postgres
clear_leftovers
trap remove_jobs EXIT
read_schema "$DATABASE"
refuse_dirty
schema_before=$schema_version
[ "$TO" -lt "$schema_before" ] || fail "the schema of $DATABASE is at version $schema_before, so there is nothing to reverse to reach $TO"
IMAGE=$(cat "$schema_image_file" 2>/dev/null || echo "$IMAGE")
pull "$IMAGE"
words=(goto "$TO")
[ "$TO" != 0 ] || words=(down -all)
write_snapshot
rehearse "$IMAGE" "$TO" "${words[@]}"
if ! migrate_job migration "$IMAGE" "$DATABASE" "${words[@]}"; then
  # On the way down the record names the version that the failed script leads to.
  read_schema "$DATABASE"
  reached=$schema_version
  next=$(migration_files "$IMAGE" down | while read -r file; do echo "$(versions <<<"$file") $file"; done | awk -v at="$reached" '$1 > at' | head -n 1)
  settle "${next#* }" "${next%% *}" || true
  fail "reversing failed on the database, although its rehearsal on a copy went well: ${next#* }. The schema is at version $schema_version (dirty: $schema_dirty). The snapshot of before: $snapshot
$job_report"
fi
read_schema "$DATABASE"
jq --null-input --arg from "$schema_before" --arg schema "$schema_version" --arg snapshot "$snapshot" '$ARGS.named'
