# shellcheck shell=bash
# Ends the release of a service without routes, in the place of a switch: what was found healthy must still run, healthy, a while later.
# Then the slot of before stops (record.sh). SLOT and WATCH_SECONDS are parameters.
tasks=$(docker ps --quiet --filter "label=com.docker.swarm.service.name=$SLOT" --filter status=running)
[ -n "$tasks" ] || fail "$SLOT was healthy and no longer runs. See: docker service ps --no-trunc $SLOT"
began=$SECONDS
while [ $((SECONDS - began)) -lt "$WATCH_SECONDS" ]; do
  for container in $tasks; do
    state=$(docker inspect --format '{{.State.Status}}{{with .State.Health}}, {{.Status}}{{end}}' "$container" 2>/dev/null) || state="gone"
    case $state in running | "running, healthy" | "running, starting") continue ;; esac
    {
      printf '%s was healthy and did not stay so (%s); the slot of before goes on.\nIts tasks:\n' "$SLOT" "$state"
      docker service ps --no-trunc --format '  {{.CurrentState}}  {{.Error}}' "$SLOT" 2>&1 | head -n 5
      printf 'Last lines of its log:\n'
      service_log "$SLOT" | sed 's/^/  /'
    } | redact >&2
    exit 1
  done
  sleep 0.3
done
note INFO "$SLOT has taken over"
