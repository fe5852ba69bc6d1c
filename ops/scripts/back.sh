# shellcheck shell=bash disable=SC1090,SC2034,SC2154
# Sends a service's requests to the slot that served before (TO) instead of the one that does (FROM): by the switch that FROM's
# release saved on the host (components/release/scripts/record-slots.sh), so that the routes stay the same and only the slot changes.
# SAVED (folder of the saved switches), START_SECONDS and BY are parameters. Prints "missing: …" when there is nothing to go back to.
tasks_of() {
  docker service inspect --format '{{.Spec.Mode.Replicated.Replicas}}' "$1" 2>/dev/null
}

# Containers of TO that should run. One that is stopping, because TO was scaled to zero a moment ago, still runs and answers.
containers() {
  docker service ps --quiet --filter desired-state=running "$TO" |
    xargs --no-run-if-empty docker inspect --type task --format '{{with .Status.ContainerStatus}}{{.ContainerID}}{{end}}' | sed '/^$/d'
}

# A service may have no health check of Docker (tool "none"): then a running container counts as healthy.
healthy_tasks() {
  containers | xargs --no-run-if-empty docker inspect --format '{{with .State.Health}}{{.Status}}{{else}}{{if .State.Running}}healthy{{end}}{{end}}' 2>/dev/null | grep --count --line-regexp healthy || true
}

leaving() {
  local running
  running=$(docker ps --quiet --filter "label=com.docker.swarm.service.name=$TO" | wc -l)
  [ "$running" -gt "$(containers | wc -l)" ]
}

# As many tasks as the slot that serves has; a kept slot has none.
start() {
  local tasks before deadline=$((SECONDS + START_SECONDS))
  tasks=$(tasks_of "$FROM") || tasks=1
  [ "$tasks" -gt 0 ] || tasks=1
  before=$(tasks_of "$TO")
  [ "$before" -ge "$tasks" ] || docker service scale --detach "$TO=$tasks" >/dev/null
  until [ "$(healthy_tasks)" -ge "$tasks" ] && ! leaving; do
    if [ "$SECONDS" -ge "$deadline" ]; then
      echo "missing: has $(healthy_tasks) of $tasks healthy tasks after $START_SECONDS s: $(docker service ps --no-trunc --format '{{.CurrentState}} {{.Error}}' "$TO" 2>&1 | head -n 1)"
      docker service scale --detach "$TO=$before" >/dev/null
      return 1
    fi
    sleep 0.2
  done
}

main() {
  local name led image version starts
  if ! docker service inspect "$TO" >/dev/null 2>&1 || [ ! -s "$SAVED/$TO" ]; then
    echo "missing: is gone"
    return 0
  fi
  if [ ! -s "$SAVED/$FROM" ]; then
    echo "missing: cannot be switched to, because $SAVED/$FROM is not there"
    return 0
  fi
  # One that may not run twice, or that works without requests, is started by its switch.
  starts=$(source "$SAVED/$TO" && printf '%s' "${RELEASE_STARTS:-no}")
  [ "$starts" = yes ] || start || return 0
  image=$(source "$SAVED/$TO" && printf '%s' "$RELEASE_IMAGE")
  version=$(source "$SAVED/$TO" && printf '%s' "$RELEASE_VERSION")
  source "$SAVED/$FROM"
  while IFS= read -r name; do
    printf -v "$name" '%s' "${!name//"$FROM"/"$TO"}"
  done <<<"$RELEASE_SAVES"
  RELEASE_IMAGE=$image RELEASE_VERSION=$version RELEASE_STEP=back DEPLOYED_BY=$BY
  release_run
  # The slot that was left uses no memory and processes no jobs; going back to it starts it again.
  docker service scale --detach "$FROM=0" >/dev/null
  led=$(grep -F ' lead to ' "$RELEASE_LOGS/$release_id.log" | tail -n 1 | jq --raw-output .timestamp) || led=
  [ -z "$led" ] || awk -v led="$(date -d "$led" +%s.%N)" -v now="$(date +%s.%N)" 'BEGIN { printf "drained after %.3f\n", now - led }'
}
