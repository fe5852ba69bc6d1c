# shellcheck shell=bash disable=SC2154
# survives_first_requests REPLACED CONTAINERS…: an app may be healthy until the first real requests arrive. What ran when they came must still run, healthy, a while
# later, and as long as edge_old_workers_serve says that the old slot has to be waited for anyway. WATCH_SECONDS, WORKER_DEADLINE_SECONDS
# and SLOT are parameters.
survives_first_requests() {
  local replaced=$1 container began=$SECONDS
  shift
  while [ "$SECONDS" -lt $((began + WATCH_SECONDS)) ] || { [ "$SECONDS" -lt $((began + WORKER_DEADLINE_SECONDS)) ] && edge_old_workers_serve; }; do
    for container in "${@:-none}"; do
      container_fails "$container" || continue
      {
        printf '%s did not survive its first requests (%s). They go to %s again.\n' "$SLOT" "$container_state" "$replaced"
        service_report "$SLOT"
      } | redact >&2
      return 1
    done
    sleep 0.3
  done
}
