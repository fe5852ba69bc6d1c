# shellcheck shell=bash
# What the scripts use of nginx. EDGE_DIRECTORY, CONTAINER_DIRECTORY and WORKER_DEADLINE_SECONDS are parameters.

# Children of nginx' master, seen from the host: workers of the old and the new configuration alike.
edge_workers() {
  local master
  master=$(docker inspect --format '{{.State.Pid}}' "$1")
  # Cache processes end by themselves; workers are what serves.
  pgrep --parent "$master" --full 'worker process' || true
}

# Validates what lies in the folder and makes the running edge take it. New workers run when it ends; the old ones, named in
# edge_old_workers, still finish what they have.
edge_reload() {
  local container=$1 output waited=0
  if ! output=$(docker exec "$container" nginx -t -c "$CONTAINER_DIRECTORY/nginx.conf" 2>&1); then
    printf 'nginx refuses the new configuration (%s is %s on the host):\n%s\n' "$CONTAINER_DIRECTORY" "$EDGE_DIRECTORY" "$output" | redact >&2
    return 1
  fi
  edge_old_workers=$(edge_workers "$container")
  docker exec "$container" nginx -s reload -c "$CONTAINER_DIRECTORY/nginx.conf" 2>/dev/null || {
    printf 'nginx did not take the signal to reload\n' >&2
    return 1
  }
  # The master starts new workers first; old ones that are still alone after this did not hear of it.
  until edge_workers "$container" | grep -q -v -x -F "$edge_old_workers"; do
    sleep 0.1
    waited=$((waited + 1))
    if [ "$waited" -ge 100 ]; then
      printf 'nginx did not start new workers within 10 seconds: %s\n' "$(docker logs --tail 5 "$container" 2>&1)" | redact >&2
      return 1
    fi
  done
}

# Files that were put back were good a moment ago; nginx takes them again in case some workers saw others.
edge_again() {
  docker exec "$1" nginx -s reload -c "$CONTAINER_DIRECTORY/nginx.conf" 2>/dev/null || true
}

# nginx does not start with a configuration that it cannot use.
edge_loaded() {
  [ -n "$1" ]
}

edge_old_workers_serve() {
  local pid
  for pid in $edge_old_workers; do
    [ ! -d "/proc/$pid" ] || return 0
  done
  return 1
}

# Waits until the workers of every earlier configuration are gone, so that nothing sends requests by it any more.
edge_drain() {
  local waited=0
  while edge_old_workers_serve; do
    sleep 0.1
    waited=$((waited + 1))
    if [ "$waited" -ge $((WORKER_DEADLINE_SECONDS * 10)) ]; then
      printf 'an old nginx worker still serves after %s seconds (processes %s)\n' "$WORKER_DEADLINE_SECONDS" "${edge_old_workers//$'\n'/ }" >&2
      return 1
    fi
  done
}
