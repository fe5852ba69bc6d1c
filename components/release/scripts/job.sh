# shellcheck shell=bash
# Runs a command once in a release's image, as a job of the Swarm with the release's own secrets. It stands in front of the
# scripts that need one. SERVICE, IMAGE, WAIT_SECONDS and the newline-separated lists COMMAND, ENVIRONMENT, SECRETS, CONFIGS,
# NETWORKS and LABELS are parameters.

# run_job <kind> [arguments of docker service create]: succeeds when the command does. The job goes when the script ends.
run_job() {
  local output running
  job=${SERVICE}_$1
  shift
  only_one "$job" "$WAIT_SECONDS"
  trap remove_job EXIT
  docker image inspect "$IMAGE" >/dev/null 2>&1 || output=$(docker pull --quiet "$IMAGE" 2>&1) || fail "cannot pull $IMAGE: $output"
  running=$(docker service inspect --format '{{.Spec.TaskTemplate.ContainerSpec.Image}}' "$job" 2>/dev/null) || running=
  # A job of this very image that an interrupted run left is waited for: stopping a migration half-way is what hurts.
  if [ "$running" != "$IMAGE" ]; then
    create_job "$@"
  fi
  wait_for_job
}

# create_job [arguments of docker service create]: starts $job anew.
create_job() {
  local output words
  job_arguments=()
  each_line --env "$ENVIRONMENT"
  each_line --secret "$SECRETS"
  each_line --config "$CONFIGS"
  each_line --network "$NETWORKS"
  each_line --label "$LABELS"
  mapfile -t words <<<"$COMMAND"
  remove_job
  output=$(docker service create --detach --no-resolve-image --quiet --name "$job" --mode replicated-job --restart-condition none --init \
    --limit-memory 512M "${job_arguments[@]}" "$@" --entrypoint "${words[0]}" "$IMAGE" "${words[@]:1}" 2>&1) ||
    fail "the Swarm does not take the job $job: $output"
}

# Waits until $job ends and sets job_state; false when it failed.
wait_for_job() {
  local started=$SECONDS
  while :; do
    job_state=$(docker service ps --no-trunc --format '{{.CurrentState}}|{{.Error}}' "$job" | head -n 1)
    case $job_state in
      Complete*) return 0 ;;
      Failed* | Rejected* | Shutdown* | Orphaned*) return 1 ;;
    esac
    if [ $((SECONDS - started)) -ge "$WAIT_SECONDS" ]; then
      job_state="not finished after $WAIT_SECONDS seconds; $job_state"
      return 1
    fi
    sleep 0.2
  done
}

# job_failed <what this means>: says how the job ended and what it said, and ends the script.
job_failed() {
  {
    printf '%s Task: %s\nLast lines of its log:\n' "$1" "$job_state"
    timeout 10 docker service logs --raw --tail 20 "$job" 2>&1
  } | redact >&2
  exit 1
}

each_line() {
  local line
  while IFS= read -r line; do
    [ -z "$line" ] || job_arguments+=("$1" "$line")
  done <<<"$2"
}

# Swarm keeps the containers of tasks that have ended, also of a service that is gone.
remove_job() {
  docker service rm "$job" >/dev/null 2>&1 || true
  docker container prune --force --filter "label=com.docker.swarm.service.name=$job" >/dev/null 2>&1 || true
}
