# shellcheck shell=bash
# Makes the folder of a Postgres server's socket, and refuses an image that cannot open the data that is there. Runs after
# data-folder.sh. SOCKET_DIRECTORY and IMAGE are parameters beside its own.
[ -d "$SOCKET_DIRECTORY" ] || sudo install -d -m 0755 "$SOCKET_DIRECTORY"

# PostgreSQL: "the data directory was initialized by PostgreSQL version 16, which is not compatible with this version 17".
there=$(sudo cat "$DATA_DIRECTORY/pgdata/PG_VERSION" 2>/dev/null || true)
[ -n "$there" ] || exit 0
said=$(docker run --rm --network none --entrypoint postgres "$IMAGE" --version 2>&1) || fail "$IMAGE does not say which PostgreSQL it is: $said"
comes=$(sed -nE 's/^postgres \(PostgreSQL\) ([0-9]+).*/\1/p' <<<"$said")
[ "$comes" = "$there" ] ||
  fail "$IMAGE is PostgreSQL ${comes:-of an unknown version ($said)}, and the data in $DATA_DIRECTORY is of PostgreSQL $there, which another major version cannot open. Nothing was changed; $SERVICE goes on with $there. A new major version takes its own server and a dump: see docs/runbooks/database.md, \"A new major version\""
