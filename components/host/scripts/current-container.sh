# shellcheck shell=bash

# current_container SERVICE: the running container whose task is as the service's specification says now; nothing while there is
# none. Right after an update the container of before still runs and answers, and is stopped a moment later. The specification
# comes from the API: `docker service inspect` fills in defaults that a task has not. The API names no runtime for a task.
current_container() {
  docker service ps --quiet --filter desired-state=running "$1" 2>/dev/null |
    xargs --no-run-if-empty docker inspect --type task 2>/dev/null |
    jq --raw-output --slurpfile service <(curl --silent --max-time 10 --unix-socket /var/run/docker.sock "http://docker/services/$1") \
      '.[] | select(.Spec == ($service[0].Spec.TaskTemplate | del(.Runtime)) and .Status.State == "running") | .Status.ContainerStatus.ContainerID' |
    head -n 1
}
