# shellcheck shell=bash disable=SC2153
# Waits until a registry answers, as its specification is now, and asks for a login. Runs after current-container.sh. SERVICE, PORT and
# WAIT_SECONDS are parameters.
started=$SECONDS
said=
while [ $((SECONDS - started)) -lt "$WAIT_SECONDS" ]; do
  container=$(current_container "$SERVICE")
  if [ -n "$container" ]; then
    if said=$(docker exec "$container" wget --spider "http://127.0.0.1:$PORT/v2/" 2>&1); then
      fail "$SERVICE answers without a login: $(tail -n 1 <<<"$said")"
    fi
    case $said in *401*) exit 0 ;; esac
  fi
  sleep 0.5
done
{
  printf '%s does not answer after %s seconds. It says: %s\nIts tasks:\n' "$SERVICE" "$WAIT_SECONDS" "${said:-nothing}"
  service_tasks "$SERVICE"
  service_log "$SERVICE"
} | redact >&2
exit 1
