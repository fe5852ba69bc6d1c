# shellcheck shell=bash disable=SC2154
# Lists an environment's snapshots as JSON, newest first. Runs after database.sh.
snapshots | LC_ALL=C sort -r | while read -r name; do
  file=$DIRECTORY/$name
  jq --null-input --compact-output --arg name "$name" --argjson bytes "$(stat --format %s "$file")" \
    --arg time "$(snapshot_field "$file" time)" --arg schema "$(snapshot_field "$file" 'schema version')" \
    --arg problem "$(snapshot_problem "$file")" '$ARGS.named'
done | jq --slurp .
