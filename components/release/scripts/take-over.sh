# shellcheck shell=bash disable=SC2154
# Ends the release of a service without routes, in the place of a switch: what was found healthy must still run, healthy, a while later.
# Then the slot of before stops (record.sh). SLOT and WATCH_SECONDS are parameters.
tasks=$(service_containers "$SLOT")
[ -n "$tasks" ] || fail "$SLOT was healthy and no longer runs. See: docker service ps --no-trunc $SLOT"
began=$SECONDS
while [ $((SECONDS - began)) -lt "$WATCH_SECONDS" ]; do
  for container in $tasks; do
    container_fails "$container" || continue
    {
      printf '%s was healthy and did not stay so (%s); the slot of before goes on.\n' "$SLOT" "$container_state"
      service_report "$SLOT"
    } | redact >&2
    exit 1
  done
  sleep 0.3
done
note INFO "$SLOT has taken over"
