# shellcheck shell=bash
# Waits until the edge's container serves, as its specification is now. Where another kind of edge has the ports, it is stopped first,
# and started again when this one does not serve. Runs after current-container.sh. SERVICE is a parameter.
others=
for kind in $EDGE_KINDS; do
  [ "$kind" = "$EDGE_KIND" ] || others+=" $(edge_services "$kind")"
done

# scale SERVICE TASKS: as many, and with none waits for the end of its container.
scale() {
  [ "$(docker service inspect --format '{{.Spec.Mode.Replicated.Replicas}}' "$1" 2>/dev/null)" != "$2" ] || return 0
  docker service scale --detach "$1=$2" >/dev/null
  [ "$2" = 0 ] || return 0
  for _ in $(seq 150); do
    [ -n "$(docker ps --quiet --filter "label=com.docker.swarm.service.name=$1")" ] || return 0
    sleep 0.2
  done
  fail "the edge $1 does not end within 30 seconds, and two edges cannot have the ports 80 and 443"
}

for other in $others; do scale "$other" 0; done
scale "$SERVICE" 1
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
  scale "$SERVICE" 0
  scale "$other" 1
  for _ in $(seq 60); do
    [ -z "$(docker ps --quiet --filter "label=com.docker.swarm.service.name=$other" --filter health=healthy)" ] || break
    sleep 0.5
  done
  printf 'The edge of before, %s, has the ports again.\n' "$other" >&2
done
exit 1
