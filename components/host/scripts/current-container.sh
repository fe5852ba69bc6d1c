# shellcheck shell=bash

# current_container SERVICE: the running container whose task is as the service's specification says now; nothing while there is
# none. Right after an update the container of before still runs and answers, and is stopped a moment later. Docker says of the
# service alone that its runtime is containers.
current_container() {
  docker service ps --quiet --filter desired-state=running "$1" 2>/dev/null |
    xargs --no-run-if-empty docker inspect --type task 2>/dev/null |
    jq --raw-output --slurpfile service <(docker service inspect "$1" 2>/dev/null) \
      '.[] | select(.Spec == ($service[0][0].Spec.TaskTemplate | del(.Runtime)) and .Status.State == "running") | .Status.ContainerStatus.ContainerID' |
    head -n 1
}
