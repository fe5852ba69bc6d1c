# shellcheck shell=bash
# Waits until Postgres takes connections, as its specification is now, and gives the superuser its password. Runs after
# current-container.sh. SERVICE, SOCKET_DIRECTORY and WAIT_SECONDS are parameters, SUPERUSER_PASSWORD is secret.
started=$SECONDS
while [ $((SECONDS - started)) -lt "$WAIT_SECONDS" ]; do
  container=$(current_container "$SERVICE")
  # Over TCP: during initdb the image runs a server that listens on its socket only.
  if [ -n "$container" ] && docker exec "$container" pg_isready --quiet --host 127.0.0.1 --username postgres; then
    [ -S "$SOCKET_DIRECTORY/.s.PGSQL.5432" ] || fail "$SERVICE answers, but there is no socket in $SOCKET_DIRECTORY"
    # A data folder may be older than the password. Whatever is logged of statements, this one is not.
    said=$(docker exec --interactive "$container" psql --no-psqlrc --quiet --host 127.0.0.1 --username postgres --dbname postgres \
      --set ON_ERROR_STOP=1 2>&1 <<SQL
SET log_statement = 'none';
SET log_min_duration_statement = -1;
SET log_min_error_statement = 'panic';
ALTER ROLE postgres PASSWORD '$SUPERUSER_PASSWORD';
SQL
    ) || fail "$SERVICE runs, but the superuser's password could not be set: $said"
    exit 0
  fi
  sleep 0.5
done
{
  printf '%s does not take connections after %s seconds. Its tasks:\n' "$SERVICE" "$WAIT_SECONDS"
  service_tasks "$SERVICE"
  service_log "$SERVICE"
} | redact >&2
exit 1
