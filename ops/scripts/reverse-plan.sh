# shellcheck shell=bash disable=SC2153,SC2154
# Prints which scripts would reverse the schema to version TO, as JSON with their text; changes nothing. Runs after database.sh,
# migration-steps.sh and golang-migrate.sh. TO is a parameter.
use_golang_migrate || fail "$SYSTEM has no migrations of kind golang-migrate, and other kinds cannot be reversed; restore a snapshot: npm run ops -- restore $SYSTEM --stack $STACK"
require_postgres
read_schema "$DATABASE"
refuse_dirty
[ "$TO" -lt "$schema_version" ] || fail "the schema of $DATABASE is at version $schema_version, so there is nothing to reverse to reach $TO"
image=$(cat "$schema_image_file" 2>/dev/null || echo "$step_image")
pull "$image"
files=$(migration_files "$image" down)
for version in "$TO" "$schema_version"; do
  [ "$version" -eq 0 ] || versions <<<"$files" | grep --quiet --line-regexp "$version" ||
    fail "$image has no schema version $version; it has: 0 $(versions <<<"$files" | tr '\n' ' ')"
done
sort -rn <<<"$files" | while read -r file; do
  version=$(versions <<<"$file")
  if [ "$version" -le "$schema_version" ] && [ "$version" -gt "$TO" ]; then
    migration_text "$image" "$file" | jq --raw-input --slurp --arg file "$file" '{ file: $file, text: . }'
  fi
done | jq --slurp --arg image "$image" --arg from "$schema_version" --arg environment "$ENVIRONMENT_NAME" '{ image: $image, from: $from, environment: $environment, scripts: . }'
