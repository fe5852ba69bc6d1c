# shellcheck shell=bash disable=SC2153
# Empties the folder that a service keeps from one slot to the next, while nothing of the service runs, and starts it again. Runs after
# container.sh. KEPT (that folder) is a parameter.
[ -f "$RECORDS/$SERVICE.json" ] || fail "$SERVICE has no release; a service that keeps a cache is released, as sertantai electric is"
slot=$(serving)
docker service inspect "$slot" | jq --exit-status --arg kept "$KEPT" \
  '.[0].Spec.TaskTemplate.ContainerSpec.Mounts // [] | any(.Source == $kept)' >/dev/null ||
  fail "$SERVICE keeps no folder from one release to the next, so there is nothing to clear"
began=$EPOCHREALTIME
tasks=$(service_tasks_wanted "$slot")
# Whatever happens to the folder, the service runs again.
trap 'scale_service "$slot" "$tasks"' EXIT
scale_service "$slot" 0
await_stop "$slot" 60 || fail "$slot was stopped and still runs after 60 s; nothing was cleared. See: docker service ps --no-trunc $slot"
sudo find "$KEPT" -mindepth 1 -delete
trap - EXIT
scale_service "$slot" "$tasks"
deadline=$((SECONDS + 120))
healthy() {
  [ "$(docker ps --quiet --filter "label=com.docker.swarm.service.name=$slot" --filter health=healthy | wc -l)" -ge "$tasks" ]
}
until healthy; do
  [ "$SECONDS" -lt "$deadline" ] || {
    echo "$SERVICE was cleared and is not healthy after 120 s:"
    service_report "$slot"
    exit 1
  } >&2
  sleep 0.3
done
awk -v service="$SERVICE" -v from="$began" -v to="$EPOCHREALTIME" \
  'BEGIN { printf "%s was cleared; nothing of it ran for %.1f s\n", service, to - from }'
