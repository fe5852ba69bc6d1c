# shellcheck shell=bash disable=SC2034,SC2154
# A state that was written before migrations had steps describes its golang-migrate step by FOLDER, IMAGE and COMMAND, and by lists,
# a line each. It gets its STEPS here; in front of the scripts.
if [ -z "$STEPS" ]; then
  STEPS=[]
  [ -z "$FOLDER" ] || STEPS=$(jq --null-input --arg image "$IMAGE" --arg folder "$FOLDER" --arg command "$COMMAND" --arg secrets "$SECRETS" \
    --arg configs "$CONFIGS" --arg networks "$NETWORKS" --arg labels "$LABELS" '
    def lines: split("\n") | map(select(. != ""));
    def pair: index("=") as $at | {key: .[:$at], value: .[$at + 1:]};
    def mounts: lines | map(split(",") | map(pair) | from_entries);
    [{kind: "golang-migrate", name: "schema", $folder, commands: {migrate: ($command | lines)},
      job: {$image, environment: {}, secrets: ($secrets | mounts), configs: ($configs | mounts), networks: ($networks | lines),
        labels: ($labels | lines | map(pair) | from_entries), memoryMebibytes: 512}}]')
fi
