# shellcheck shell=bash disable=SC2154
# Lists a database's snapshots as JSON, newest first. Runs after database.sh.
snapshots | LC_ALL=C sort -r | while read -r name; do
  file=$DIRECTORY/$name
  { manifest "$file" | grep . || echo '{}'; } | jq --compact-output --arg name "$name" --argjson bytes "$(stat --format %s "$file")" \
    --arg problem "$(snapshot_problem "$file")" '{ time: (.time // ""), schema: (.schema // "") } + $ARGS.named'
done | jq --slurp .
