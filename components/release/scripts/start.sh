# shellcheck shell=bash
# In front of a switch whose slot may have been stopped: starts its tasks and waits until they are healthy for Docker. Right after the
# probe they are. RELEASE_SERVICE, RELEASE_SLOT and RELEASE_TASKS are parameters.
slot_start "$RELEASE_SLOT" "$RELEASE_TASKS"
started=$SECONDS
# A service without Docker's check counts as healthy when it runs.
until [ "$(service_containers "$RELEASE_SLOT" |
  xargs --no-run-if-empty docker inspect --format '{{with .State.Health}}{{.Status}}{{else}}healthy{{end}}' 2>/dev/null |
  grep --count --line-regexp healthy)" -ge "$RELEASE_TASKS" ]; do
  [ $((SECONDS - started)) -lt 120 ] || fail "$RELEASE_SLOT does not have $RELEASE_TASKS healthy tasks after 120 s. Its tasks:
$(service_tasks "$RELEASE_SLOT" | sed 's/^/  /')"
  sleep 0.3
done
