# shellcheck shell=bash
# survives_first_requests REPLACED CONTAINERS…: an app may be healthy until the first real requests arrive. What ran when they came must still run, healthy, a while
# later, and as long as edge_old_workers_serve says that the old slot has to be waited for anyway. WATCH_SECONDS, WORKER_DEADLINE_SECONDS
# and SLOT are parameters.
survives_first_requests() {
  local replaced=$1 container state began=$SECONDS
  shift
  while [ "$SECONDS" -lt $((began + WATCH_SECONDS)) ] || { [ "$SECONDS" -lt $((began + WORKER_DEADLINE_SECONDS)) ] && edge_old_workers_serve; }; do
    for container in "${@:-none}"; do
      state=$(docker inspect --format '{{.State.Status}}{{with .State.Health}}, {{.Status}}{{end}}' "$container" 2>/dev/null) || state="gone"
      case $state in running | "running, healthy" | "running, starting") continue ;; esac
      {
        printf '%s did not survive its first requests (%s). They go to %s again.\nIts tasks:\n' "$SLOT" "$state" "$replaced"
        docker service ps --no-trunc --format '  {{.CurrentState}}  {{.Error}}' "$SLOT" 2>&1 | head -n 5
        printf 'Last lines of its log:\n'
        timeout 10 docker service logs --raw --tail 20 "$SLOT" 2>&1 | sed 's/^/  /'
      } | redact >&2
      return 1
    done
    sleep 0.3
  done
}

slot_containers() {
  docker ps --quiet --filter "label=com.docker.swarm.service.name=$1" --filter status=running
}
