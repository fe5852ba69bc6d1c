# shellcheck shell=bash
# What `ops exec` and `ops run` share. SYSTEM, SERVICE (togather_app) and RECORDS (folder of the releases' records) are parameters.

# The Docker service that takes the requests of SERVICE: its slot, or the one that it is where it has none, as Postgres and Redis.
serving() {
  sudo jq --raw-output .active_slot "$RECORDS/$SERVICE.json" 2>/dev/null ||
    docker service ls --filter "label=berth.resource=$SERVICE" --format '{{.Name}}' | grep --max-count 1 . ||
    fail "$SERVICE does not run here; services of $SYSTEM: $(docker service ls --filter "label=berth.system=$SYSTEM" --format '{{.Name}}' |
      sed -E "s/^${SYSTEM}_//; s/-[0-9a-f]{7}\$//" | sort -u | tr '\n' ' ')"
}

# What stands before a command in the containers of a Docker service: the shim that reads its secrets, where there is one.
shim_of() {
  docker service inspect "$1" |
    jq --raw-output '.[0].Spec.TaskTemplate.ContainerSpec | .Configs // [] | .[].File.Name | select(. == "/berth/with-secrets") | "/bin/sh", .'
}
