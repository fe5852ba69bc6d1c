# shellcheck shell=bash disable=SC2153,SC2154
# Empties the folder that a service keeps from one slot to the next, while nothing of the service runs, and starts it again. Runs after
# container.sh and stopped.sh. KEPT (that folder) is a parameter.
[ -f "$RECORDS/$SERVICE.json" ] || fail "$SERVICE has no release; a service that keeps a cache is released, as sertantai electric is"
slot=$(serving)
keeps_folder "$slot" "$KEPT" || fail "$SERVICE keeps no folder from one release to the next, so there is nothing to clear"
began=$EPOCHREALTIME
tasks=$(service_tasks_wanted "$slot")
# Whatever happens to the folder, the service runs again.
trap 'scale_service "$slot" "$tasks"' EXIT
scale_service "$slot" 0
await_stop "$slot" 60 || fail "$slot was stopped and still runs after 60 s; nothing was cleared. See: docker service ps --no-trunc $slot"
sudo find "$KEPT" -mindepth 1 -delete
trap - EXIT
scale_service "$slot" "$tasks"
await_healthy "$slot" "$tasks" || {
  echo "$SERVICE was cleared and is not healthy after $healthy_seconds s:"
  service_report "$slot"
  exit 1
} >&2
awk -v service="$SERVICE" -v from="$began" -v to="$EPOCHREALTIME" \
  'BEGIN { printf "%s was cleared; nothing of it ran for %.1f s\n", service, to - from }'
