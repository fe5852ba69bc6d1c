# shellcheck shell=bash
# What the scripts use of Traefik. EDGE_DIRECTORY, CHECK_PORT and GRACE_SECONDS are parameters.

# edge_ask CONTAINER CURL'S ARGUMENTS…: asks the edge's own port, which is on loopback inside its container.
edge_ask() {
  local process
  process=$(docker inspect --format '{{.State.Pid}}' "$1") || return 1
  shift
  sudo nsenter --target "$process" --net curl --silent --max-time 8 "$@"
}

# Traefik starts, and calls itself healthy, without a file that it can read.
edge_loaded() {
  edge_ask "$1" "http://127.0.0.1:$CHECK_PORT/api/rawdata" | jq --exit-status '.routers | has("unknown-http@file")' >/dev/null 2>&1
}

# Traefik reads all files of its folder whenever one changes, the certificates that they name too. It takes them as a whole or, where one cannot be
# read, not at all. A file that is written last names this reload; what Traefik has loaded names it when everything before it is there.
# What the second argument (a regular expression) fits must be usable. No request is cut off: it ends as it began.
edge_reload() {
  local container=$1 mark loaded wrong since began=$SECONDS
  since=$(date +%s)
  mark=reload-$(date +%s%N)
  edge_write "$EDGE_DIRECTORY/dynamic/reload.yml" '{"http":{"middlewares":{"'"$mark"'":{"redirectScheme":{"scheme":"https"}}}}}'
  while [ $((SECONDS - began)) -lt 10 ]; do
    loaded=$(edge_ask "$container" "http://127.0.0.1:$CHECK_PORT/api/rawdata") || loaded=
    if jq --exit-status --arg mark "$mark@file" '.middlewares | has($mark)' <<<"$loaded" >/dev/null 2>&1; then
      wrong=$(jq --raw-output --arg own "${2:-^$}" '[.routers, .services, .middlewares][] // {} | to_entries[] |
        select((.key | test($own)) and (.value.error // [] | length > 0)) | "  \(.key): \(.value.error | join("; "))"' <<<"$loaded")
      # The entry points take it one after the other.
      sleep 0.2
      edge_changed=$SECONDS
      [ -n "$wrong" ] || return 0
      printf 'Traefik cannot use the new configuration:\n%s\n' "$wrong" | redact >&2
      return 1
    fi
    sleep 0.1
  done
  printf 'Traefik does not take the files in %s within 10 seconds: %s\n' "$EDGE_DIRECTORY/dynamic" \
    "$(docker logs --since "$since" "$container" 2>&1 | grep -E 'ERR|error' | tail -n 3)" | redact >&2
  return 1
}

# Files that were put back were good a moment ago.
edge_again() {
  edge_reload "$1" || true
}

# edge_follow CONTAINER TASKS…: whose connections from the edge edge_drain waits for.
edge_follow() {
  local task
  edge_process=$(docker inspect --format '{{.State.Pid}}' "$1")
  shift
  edge_old_addresses=
  for task; do
    edge_old_addresses+=" $(docker inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}' "$task" 2>/dev/null)" || true
  done
}

# Traefik keeps no connection to a service for the next request: one that is open to the tasks of the old slot is a request that is being answered, or
# a WebSocket. What is open for longer than GRACE_SECONDS after the change ends with the old slot.
edge_old_workers_serve() {
  local address
  [ "$SECONDS" -lt $((edge_changed + GRACE_SECONDS)) ] || return 1
  for address in ${edge_old_addresses:-}; do
    [ -z "$(sudo nsenter --target "$edge_process" --net ss --no-header --tcp --numeric state established dst "$address")" ] || return 0
  done
  return 1
}

# A request that waits for its turn within a rate limit has no connection yet, for half a second at most.
edge_drain() {
  local quiet=0
  [ -n "${edge_old_addresses:-}" ] || return 0
  while [ "$quiet" -lt 4 ]; do
    quiet=$((quiet + 1))
    ! edge_old_workers_serve || quiet=0
    sleep 0.2
  done
}
