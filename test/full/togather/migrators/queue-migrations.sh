#!/bin/sh
# queue-migrations up <version> [<database>] | check <version>: a migrator that finds its database by libpq's variables and keeps
# its version in queue_migrations. With a database named, it fails on that one.
set -eu
sql() { psql --no-psqlrc --no-align --tuples-only --quiet --set ON_ERROR_STOP=1 --command "$1"; }
current() { sql "SELECT coalesce(max(version), 0) FROM queue_migrations" 2>/dev/null || echo 0; }
case $1 in
  check) [ "$(current)" -ge "$2" ] ;;
  up)
    sql "CREATE TABLE IF NOT EXISTS queue_migrations (version integer PRIMARY KEY)"
    [ "${3:-}" != "$PGDATABASE" ] || sql "SELECT this_fails_on_purpose FROM queue_migrations"
    sql "INSERT INTO queue_migrations SELECT generate_series($(current) + 1, $2)"
    ;;
esac
