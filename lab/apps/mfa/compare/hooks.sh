# shellcheck shell=bash disable=SC2154
# What differs from system to system: runs before prepare.sh and deploy.sh of lab/bench/compare/scripts.

prepare_database() { :; }

# The seed does so by hand after the deploy, in the app's container. Before it is better, which favours this setup.
before_deploy() {
  DATABASE_URL=postgresql://postgres:$DATABASE_PASSWORD@mfa_postgres:5432/mfa \
    docker run --rm --network mfa_internal --env DATABASE_URL --entrypoint node "$image" tasks/db-migrate.mjs
}
