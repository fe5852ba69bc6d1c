# shellcheck shell=bash disable=SC2154
# Names the server's container and the database's owner, for psql. Runs after database.sh.
require_postgres
printf '%s\n' "$postgres"
in_database postgres "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = '$DATABASE'" | grep . ||
  fail "there is no database $DATABASE on $POSTGRES_SERVICE"
