# shellcheck shell=bash disable=SC2153
# Lets a database's owner log in, or no longer. SERVICE (the server), ROLE and ROLE_LOGIN (LOGIN or NOLOGIN) are parameters.
container=$(docker ps --quiet --filter "label=berth.resource=$SERVICE" --filter status=running | head -n 1)
[ -n "$container" ] || fail "$SERVICE is not running, so the role $ROLE cannot be changed. See: docker service ps --no-trunc $SERVICE"
said=$(docker exec "$container" psql --no-psqlrc --quiet --username postgres --dbname postgres --set ON_ERROR_STOP=1 \
  --command "ALTER ROLE \"$ROLE\" $ROLE_LOGIN" 2>&1) || fail "the role $ROLE could not be set to $ROLE_LOGIN: $said"
