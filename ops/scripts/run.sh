# shellcheck shell=bash disable=SC2153,SC2154
# Runs a command once, as a job of the Swarm with the image, variables, secrets, networks and memory of the slot that takes
# requests. What it prints is what this script prints, its exit code is this script's. Runs after container.sh. WORDS (the
# command, an array) and STACK are parameters.
[ -f "$RECORDS/$SERVICE.json" ] || fail "$SERVICE has no release, so there is no image to run. In its running container: npm run ops -- exec"
slot=$(serving)
job=${SERVICE}_run_$(date -u +%Y%m%d%H%M%S)_$$
mapfile -t shim <<<"$(shim_of "$slot")"
[ -z "${shim[0]}" ] || WORDS=("${shim[@]}" "${WORDS[@]}")
task=$(docker service inspect "$slot" | jq '.[0].Spec.TaskTemplate')
image=$(jq --raw-output .ContainerSpec.Image <<<"$task")
arguments=()
eval "arguments=($(jq --raw-output '[
  (.ContainerSpec.Env // [] | .[] | "--env", .),
  (.ContainerSpec.Secrets // [] | .[] | "--secret", "source=\(.SecretName),target=\(.File.Name)"),
  (.ContainerSpec.Configs // [] | .[] | "--config", "source=\(.ConfigName),target=\(.File.Name)"),
  (.Networks // [] | .[] | "--network", .Target),
  "--limit-memory", "\(.Resources.Limits.MemoryBytes // 0)b"] | @sh' <<<"$task"))"

# shellcheck disable=SC2317 # The trap calls it.
remove() {
  docker service rm "$job" >/dev/null 2>&1 || true
  # Swarm keeps the containers of tasks that have ended, also of a service that is gone.
  docker container prune --force --filter "label=com.docker.swarm.service.name=$job" >/dev/null 2>&1 || true
}

started() {
  container=$(docker ps --all --quiet --filter "label=com.docker.swarm.service.name=$job" | head -n 1)
  [ -n "$container" ] && [ "$(docker inspect --format '{{.State.Status}}' "$container")" != created ]
}

trap remove EXIT
# Not to the host's journal, which is kept: a command may print what is secret. The file goes with the container.
said=$(docker service create --detach --no-resolve-image --quiet --name "$job" --mode replicated-job --restart-condition none --log-driver json-file \
  --init --label "berth.stack=$STACK" --label "berth.system=$SYSTEM" --label "berth.resource=$SERVICE-run" "${arguments[@]}" \
  --entrypoint "${WORDS[0]}" "$image" "${WORDS[@]:1}" 2>&1) || fail "the Swarm refuses the job $job: $said"
deadline=$((SECONDS + 60))
until started; do
  state=$(docker service ps --no-trunc --format '{{.CurrentState}} {{.Error}}' "$job" | head -n 1)
  case $state in Rejected* | Failed*) deadline=0 ;; esac
  started || [ "$SECONDS" -lt "$deadline" ] || fail "the command did not start. Task: $state"
  sleep 0.1
done
docker logs --follow "$container"
exit "$(docker wait "$container")"
