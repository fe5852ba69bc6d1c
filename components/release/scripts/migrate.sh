# shellcheck shell=bash
# Runs a release's migrations once, in the new image, as a job of the Swarm with the release's own secrets.
# SERVICE, IMAGE, WAIT_SECONDS and the newline-separated lists COMMAND, SECRETS, CONFIGS, NETWORKS and LABELS
# are parameters.
arguments=()
each() {
  local option=$1 line
  while IFS= read -r line; do
    [ -z "$line" ] || arguments+=("$option" "$line")
  done <<<"$2"
}
each --secret "$SECRETS"
each --config "$CONFIGS"
each --network "$NETWORKS"
each --label "$LABELS"
mapfile -t words <<<"$COMMAND"

job=${SERVICE}_migration
only_one "$job" "$WAIT_SECONDS"
# Swarm keeps the containers of tasks that have ended, also of a service that is gone.
remove_job() {
  docker service rm "$job" >/dev/null 2>&1 || true
  docker container prune --force --filter "label=com.docker.swarm.service.name=$job" >/dev/null 2>&1 || true
}
trap remove_job EXIT

output=$(docker pull --quiet "$IMAGE" 2>&1) || fail "cannot pull $IMAGE: $output"
running=$(docker service inspect --format '{{.Spec.TaskTemplate.ContainerSpec.Image}}' "$job" 2>/dev/null) || running=
# A job of this very image that an interrupted run left is waited for: stopping a migration half-way is what hurts.
if [ "$running" != "$IMAGE" ]; then
  remove_job
  docker service create --detach --no-resolve-image --quiet --name "$job" --mode replicated-job --restart-condition none \
    --limit-memory 512M "${arguments[@]}" --entrypoint "${words[0]}" "$IMAGE" "${words[@]:1}" >/dev/null
fi

started=$SECONDS
while :; do
  state=$(docker service ps --no-trunc --format '{{.CurrentState}}|{{.Error}}' "$job" | head -n 1)
  case $state in
    Complete*) exit 0 ;;
    Failed* | Rejected* | Shutdown* | Orphaned*) break ;;
  esac
  if [ $((SECONDS - started)) -ge "$WAIT_SECONDS" ]; then
    state="not finished after $WAIT_SECONDS seconds; $state"
    break
  fi
  sleep 0.2
done
{
  printf 'the migrations of %s failed, the release stops and the old version serves. Task: %s\nLast lines of its log:\n' "$SERVICE" "$state"
  timeout 10 docker service logs --raw --tail 20 "$job" 2>&1
} | redact >&2
exit 1
