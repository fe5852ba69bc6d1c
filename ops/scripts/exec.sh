# shellcheck shell=bash disable=SC2153
# Names a running container of SERVICE and, a word a line, what stands before a command in it. Runs after container.sh.
service=$(serving)
container=$(docker ps --quiet --filter "label=com.docker.swarm.service.name=$service" --filter status=running | head -n 1)
[ -n "$container" ] || fail "no container of $service runs. See: docker service ps --no-trunc $service"
printf '%s\n' "$container"
shim_of "$service"
