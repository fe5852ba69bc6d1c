# shellcheck shell=bash
# Waits until Postgres takes connections. SERVICE, SOCKET_DIRECTORY and WAIT_SECONDS are parameters.
started=$SECONDS
while [ $((SECONDS - started)) -lt "$WAIT_SECONDS" ]; do
  container=$(docker ps --quiet --filter "label=com.docker.swarm.service.name=$SERVICE" --filter status=running | head -n 1)
  # Over TCP: during initdb the image runs a server that listens on its socket only.
  if [ -n "$container" ] && docker exec "$container" pg_isready --quiet --host 127.0.0.1 --username postgres; then
    [ -S "$SOCKET_DIRECTORY/.s.PGSQL.5432" ] || fail "$SERVICE answers, but there is no socket in $SOCKET_DIRECTORY"
    exit 0
  fi
  sleep 0.5
done
{
  printf '%s does not take connections after %s seconds. Its tasks:\n' "$SERVICE" "$WAIT_SECONDS"
  docker service ps --no-trunc --format '{{.CurrentState}}  {{.Error}}' "$SERVICE" 2>&1 | head -n 5
  timeout 10 docker service logs --raw --tail 20 "$SERVICE" 2>&1
} | redact >&2
exit 1
