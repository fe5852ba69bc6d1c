# shellcheck shell=bash
# Writes a snapshot of a database: roles, schema, data and permissions, compressed, complete or not there at all.
# SYSTEM, ENVIRONMENT, DATABASE, POSTGRES_SERVICE, DIRECTORY and KEEP are parameters.
container=$(docker ps --quiet --filter "label=berth.resource=$POSTGRES_SERVICE" --filter status=running | head -n 1)
[ -n "$container" ] || fail "$POSTGRES_SERVICE is not running: no snapshot, and so no release"
only_one "${SYSTEM}_snapshot" 600
sudo install -d -m 0700 -o "$(id -u)" -g "$(id -g)" "$DIRECTORY"
find "$DIRECTORY" -name '*.partial' -delete

name=${SYSTEM}_${ENVIRONMENT}_$(date -u +%Y%m%d_%H%M%S).sql.gz
partial=$DIRECTORY/$name.partial
trap 'rm -f "$partial"' EXIT
if ! {
  docker exec "$container" pg_dumpall --username postgres --roles-only &&
    docker exec "$container" pg_dump --username postgres --clean --if-exists --create "$DATABASE"
} 2>"$DIRECTORY/error" | gzip >"$partial"; then
  fail "the snapshot of $DATABASE failed, and so the release stops with the database as it was: $(tail -n 3 "$DIRECTORY/error")"
fi
rm -f "$DIRECTORY/error"
# pg_dump's last line says that it is complete; gzip knows whether the file is whole.
gzip --test "$partial" || fail "the snapshot of $DATABASE is damaged: $partial"
gzip --decompress --stdout "$partial" | tail -n 5 | grep --quiet 'PostgreSQL database dump complete' ||
  fail "the snapshot of $DATABASE is not complete"
sync "$partial"
mv "$partial" "$DIRECTORY/$name"

# shellcheck disable=SC2012 # The names are ours: no white space in them, and they sort by time.
ls -1 "$DIRECTORY/${SYSTEM}_${ENVIRONMENT}_"*.sql.gz | sort -r | tail -n +$((KEEP + 1)) | xargs -r rm -f
