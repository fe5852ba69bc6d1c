# shellcheck shell=bash
# What a script needs that stops slots and starts them again. Runs after container.sh.

# As long as a slot may take to become healthy again: what the probe gives a release by default is 70 s (docs/runbooks/database.md).
healthy_seconds=120

# keeps_folder SLOT FOLDER: whether its containers have that folder of the host.
keeps_folder() {
  docker service inspect "$1" | jq --exit-status --arg kept "$2" '.[0].Spec.TaskTemplate.ContainerSpec.Mounts // [] | any(.Source == $kept)' >/dev/null
}

# await_healthy SLOT TASKS: until so many of its containers are; false when they are not in time. One without a health check only runs.
await_healthy() {
  local deadline=$((SECONDS + healthy_seconds)) count
  while :; do
    count=$(service_containers "$1" | xargs --no-run-if-empty docker inspect --format '{{with .State.Health}}{{.Status}}{{else}}healthy{{end}}' 2>/dev/null |
      grep --count --line-regexp healthy) || true
    [ "${count:-0}" -lt "$2" ] || return 0
    [ "$SECONDS" -lt "$deadline" ] || return 1
    sleep 0.3
  done
}
