# shellcheck shell=bash
# Waits until the edge's container serves, as its specification is now. Runs after current-container.sh. SERVICE is a parameter.
for _ in $(seq 60); do
  # One that was replaced still runs for a while, and all that asks for the edge would find it.
  container=$(current_container "$SERVICE")
  running=$(docker ps --quiet --no-trunc --filter label=berth.role=edge --filter status=running)
  if [ -n "$container" ] && [ "$running" = "$container" ] && [ "$(docker inspect --format '{{.State.Health.Status}}' "$container")" = healthy ]; then
    exit 0
  fi
  sleep 0.5
done
{
  printf 'the edge %s is not healthy after 30 seconds. Its tasks:\n' "$SERVICE"
  docker service ps --no-trunc --format '{{.CurrentState}}  {{.Error}}' "$SERVICE" 2>&1 | head -n 5
  timeout 10 docker service logs --raw --tail 20 "$SERVICE" 2>&1
} | redact >&2
exit 1
