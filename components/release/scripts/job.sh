# shellcheck shell=bash
# Runs a command once in an image, as a job of the Swarm with a release's own secrets. It stands in front of the scripts that
# need one. SERVICE, WAIT_SECONDS and JOB are parameters; JOB is a JSON object: image, command (words), environment (object),
# secrets and configs ({source, target}), networks, labels (object), memoryMebibytes and, where it is limited, cpus.

# run_job <kind> [arguments of docker service create]: succeeds when the command does. The job goes when the script ends.
run_job() {
  local image output running
  job=${SERVICE}_$1
  shift
  only_one "$job" "$WAIT_SECONDS"
  trap remove_job EXIT
  image=$(jq --raw-output .image <<<"$JOB")
  docker image inspect "$image" >/dev/null 2>&1 || output=$(docker pull --quiet "$image" 2>&1) || fail "cannot pull $image: $output"
  running=$(docker service inspect --format '{{.Spec.TaskTemplate.ContainerSpec.Image}}' "$job" 2>/dev/null) || running=
  # A job of this very image that an interrupted run left is waited for: stopping a migration half-way is what hurts.
  if [ "$running" != "$image" ]; then
    create_job "$@"
  fi
  wait_for_job
}

# create_job [arguments of docker service create]: starts $job anew, as JOB says.
create_job() {
  local image output assignments arguments=() words=()
  assignments=$(jq --raw-output '@sh "image=\(.image) words=(\(.command)) arguments=(\([
    (.environment | to_entries[] | "--env", "\(.key)=\(.value)"),
    (.secrets[] | "--secret", "source=\(.source),target=\(.target)"),
    (.configs[] | "--config", "source=\(.source),target=\(.target)"),
    (.networks[] | "--network", .),
    (.labels | to_entries[] | "--label", "\(.key)=\(.value)"),
    "--limit-memory", "\(.memoryMebibytes)M",
    (.cpus // empty | "--limit-cpu", tostring)]))"' <<<"$JOB")
  eval "$assignments"
  remove_job
  output=$(docker service create --detach --no-resolve-image --quiet --name "$job" --mode replicated-job --restart-condition none --init \
    "${arguments[@]}" "$@" --entrypoint "${words[0]}" "$image" "${words[@]:1}" 2>&1) ||
    fail "the Swarm does not take the job $job: $output"
}

# Waits until $job ends and sets job_state; false when it failed. Meanwhile it calls `job_watch`, where there is one, each second.
wait_for_job() {
  local started=$SECONDS
  while :; do
    job_state=$(docker service ps --no-trunc --format '{{.CurrentState}}{{with .Error}} {{.}}{{end}}' "$job" | head -n 1)
    case $job_state in
      Complete*) return 0 ;;
      Failed* | Rejected* | Shutdown* | Orphaned*) return 1 ;;
    esac
    if [ $((SECONDS - started)) -ge "$WAIT_SECONDS" ]; then
      job_state="not finished after $WAIT_SECONDS seconds; $job_state"
      return 1
    fi
    if [ "$SECONDS" != "${job_watched:-$started}" ] && declare -F job_watch >/dev/null; then job_watch; fi
    job_watched=$SECONDS
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

# Swarm keeps the containers of tasks that have ended, also of a service that is gone.
remove_job() {
  docker service rm "$job" >/dev/null 2>&1 || true
  docker container prune --force --filter "label=com.docker.swarm.service.name=$job" >/dev/null 2>&1 || true
}
