# shellcheck shell=bash
# In front of a switch whose slot may have been stopped: starts its tasks and waits until they are healthy for Docker. Right after the
# probe they are. RELEASE_SERVICE, RELEASE_SLOT and RELEASE_TASKS are parameters.
slot_start "$RELEASE_SLOT" "$RELEASE_TASKS"
started=$SECONDS
# A service without Docker's check counts as healthy when it runs.
until [ "$(docker ps --quiet --filter "label=com.docker.swarm.service.name=$RELEASE_SLOT" --filter status=running |
  xargs --no-run-if-empty docker inspect --format '{{with .State.Health}}{{.Status}}{{else}}healthy{{end}}' 2>/dev/null |
  grep --count --line-regexp healthy)" -ge "$RELEASE_TASKS" ]; do
  [ $((SECONDS - started)) -lt 120 ] || fail "$RELEASE_SLOT does not have $RELEASE_TASKS healthy tasks after 120 s. Its tasks:
$(docker service ps --no-trunc --format '  {{.CurrentState}}  {{.Error}}' "$RELEASE_SLOT" 2>&1 | head -n 5)"
  sleep 0.3
done
