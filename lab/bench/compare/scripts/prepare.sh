# shellcheck shell=bash
# Installs a compose setup on a new host, or replaces one by another: files, database, the first version. Runs after the hooks.sh of the
# SYSTEM; REGISTRY, VERSION, ENVIRONMENT_FILE, STACK_FILE, EDGE_NAME, EDGE_FILE, CERTIFICATE and PRIVATE_KEY are parameters too.
set -euo pipefail
umask 077
docker stack rm "$SYSTEM" >/dev/null 2>&1 || true
for _ in $(seq 60); do
  [ -n "$(docker ps --all --quiet --filter "label=com.docker.stack.namespace=$SYSTEM")$(docker network ls --quiet --filter "label=com.docker.stack.namespace=$SYSTEM")" ] || break
  sleep 1
done
docker volume rm "${SYSTEM}_database" >/dev/null 2>&1 || true
rm -rf ~/"$SYSTEM"/edge
mkdir -p ~/"$SYSTEM"/edge
cd ~/"$SYSTEM"
printf '%s' "$ENVIRONMENT_FILE" >.env
printf '%s' "$STACK_FILE" >stack.yml
printf '%s' "$EDGE_FILE" >"edge/$EDGE_NAME"
printf '%s' "$CERTIFICATE" >edge/fullchain.pem
printf '%s' "$PRIVATE_KEY" >edge/key.pem
set -a
# shellcheck source=/dev/null
. ./.env
set +a
export VERSION REGISTRY
docker stack deploy --compose-file stack.yml --resolve-image never "$SYSTEM"

database() { docker ps --quiet --filter "label=com.docker.swarm.service.name=${SYSTEM}_postgres" --filter status=running | head -n 1; }
ready=
for _ in $(seq 120); do
  # Over TCP: the server of the first initialisation listens on its socket alone.
  if docker exec "$(database)" pg_isready --quiet --host 127.0.0.1 2>/dev/null; then
    ready=yes
    break
  fi
  sleep 1
done
[ -n "$ready" ] || { echo "the database is not ready after 120 s: $(docker service ps --no-trunc "${SYSTEM}_postgres")" >&2; exit 1; }
prepare_database "$(database)"
