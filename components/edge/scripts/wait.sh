# shellcheck shell=bash
# Waits until the edge's container serves, as its specification is now. Where another kind of edge has the ports, it is stopped first,
# and started again when this one does not serve. Runs after current-container.sh. SERVICE is a parameter.
others=
for kind in $EDGE_KINDS; do
  [ "$kind" = "$EDGE_KIND" ] || others+=" $(edge_services "$kind")"
done

# stop SERVICE: and waits for the end of its container.
stop() {
  scale_service "$1" 0
  await_stop "$1" 30 || fail "the edge $1 does not end within 30 seconds, and two edges cannot have the ports 80 and 443"
}

for other in $others; do stop "$other"; done
scale_service "$SERVICE" 1
for _ in $(seq 60); do
  # One that was replaced still runs for a while, and all that asks for the edge would find it.
  container=$(current_container "$SERVICE")
  running=$(docker ps --quiet --no-trunc --filter label=berth.role=edge --filter status=running)
  if [ -n "$container" ] && [ "$running" = "$container" ] && [ "$(docker inspect --format '{{.State.Health.Status}}' "$container")" = healthy ] && edge_loaded "$container"; then
    exit 0
  fi
  sleep 0.5
done
{
  printf 'the edge %s is not healthy after 30 seconds. Its tasks:\n' "$SERVICE"
  service_tasks "$SERVICE"
  service_log "$SERVICE"
} | redact >&2
for other in $others; do
  stop "$SERVICE"
  scale_service "$other" 1
  for _ in $(seq 60); do
    [ -z "$(docker ps --quiet --filter "label=com.docker.swarm.service.name=$other" --filter health=healthy)" ] || break
    sleep 0.5
  done
  printf 'The edge of before, %s, has the ports again.\n' "$other" >&2
done
exit 1
