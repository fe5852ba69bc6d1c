# shellcheck shell=bash
# Installs a compose setup on a new host, or replaces one by another: files, database with its extensions, the first version.
# REGISTRY, VERSION, ENVIRONMENT_FILE, STACK_FILE, NGINX_FILE, CERTIFICATE and PRIVATE_KEY are parameters.
set -euo pipefail
umask 077
docker stack rm togather >/dev/null 2>&1 || true
for _ in $(seq 60); do
  [ -n "$(docker ps --all --quiet --filter label=com.docker.stack.namespace=togather)$(docker network ls --quiet --filter name=togather_default)" ] || break
  sleep 1
done
docker volume rm togather_database >/dev/null 2>&1 || true
mkdir -p ~/togather/nginx
cd ~/togather
printf '%s' "$ENVIRONMENT_FILE" >.env
printf '%s' "$STACK_FILE" >stack.yml
printf '%s' "$NGINX_FILE" >nginx/default.conf
printf '%s' "$CERTIFICATE" >nginx/fullchain.pem
printf '%s' "$PRIVATE_KEY" >nginx/key.pem
set -a
# shellcheck source=/dev/null
. ./.env
set +a
export VERSION REGISTRY
docker stack deploy --compose-file stack.yml --resolve-image never togather

database() { docker ps --quiet --filter label=com.docker.swarm.service.name=togather_postgres --filter status=running | head -n 1; }
ready=
for _ in $(seq 120); do
  # Over TCP: the server of the first initialisation listens on its socket alone.
  if docker exec "$(database)" pg_isready --quiet --host 127.0.0.1 2>/dev/null; then
    ready=yes
    break
  fi
  sleep 1
done
[ -n "$ready" ] || { echo "the database is not ready after 120 s: $(docker service ps --no-trunc togather_postgres)" >&2; exit 1; }
docker exec "$(database)" psql --quiet --username togather --command \
  'CREATE EXTENSION IF NOT EXISTS postgis; CREATE EXTENSION IF NOT EXISTS vector; CREATE EXTENSION IF NOT EXISTS pg_trgm' >/dev/null
