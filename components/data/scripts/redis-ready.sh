# shellcheck shell=bash disable=SC2153
# Waits until Redis answers, as its specification is now, with its password and to nobody without it. Runs after current-container.sh.
# SERVICE, PORT and WAIT_SECONDS are parameters, PASSWORD is secret.
started=$SECONDS
while [ $((SECONDS - started)) -lt "$WAIT_SECONDS" ]; do
  container=$(current_container "$SERVICE")
  if [ -n "$container" ]; then
    # By standard input: an argument list can be read by every process of the host.
    said=$(docker exec --interactive "$container" redis-cli -h 127.0.0.1 -p "$PORT" 2>&1 <<<"AUTH $PASSWORD"$'\n'"PING") || true
    if [ "$said" = OK$'\n'PONG ]; then
      said=$(docker exec "$container" redis-cli -h 127.0.0.1 -p "$PORT" ping 2>&1) || true
      case $said in NOAUTH*) exit 0 ;; esac
      fail "$SERVICE answers without a password: $said"
    fi
  fi
  sleep 0.5
done
{
  printf '%s does not answer after %s seconds. It says: %s\nIts tasks:\n' "$SERVICE" "$WAIT_SECONDS" "${said:-nothing}"
  service_tasks "$SERVICE"
  service_log "$SERVICE"
} | redact >&2
exit 1
