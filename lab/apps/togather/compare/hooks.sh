# shellcheck shell=bash disable=SC2154
# What differs from system to system: runs before prepare.sh and deploy.sh of lab/bench/compare/scripts.

# prepare_database CONTAINER: what the app needs before its migrations.
prepare_database() {
  docker exec "$1" psql --quiet --username togather --command \
    'CREATE EXTENSION IF NOT EXISTS postgis; CREATE EXTENSION IF NOT EXISTS vector; CREATE EXTENSION IF NOT EXISTS pg_trgm' >/dev/null
}

before_deploy() {
  PGPASSWORD=$DATABASE_PASSWORD docker run --rm --network togather_default --env PGPASSWORD --entrypoint migrate "$image" \
    -path /app/internal/storage/postgres/migrations -database 'postgresql://togather@postgres:5432/togather?sslmode=disable' up
}
