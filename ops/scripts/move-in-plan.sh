# shellcheck shell=bash disable=SC2154
# Says, as JSON, what a database or a dump from elsewhere would meet here. Changes nothing but that the snapshots' folder is there. Runs
# after database.sh and dump.sh. ROW_COUNTS (the query for the rows of each table; empty where they do not matter) is a parameter.
require_postgres
database_exists "$DATABASE" || fail "there is no database $DATABASE on $POSTGRES_SERVICE; run up first"
sudo install -d -m 0700 -o "$(id -u)" -g "$(id -g)" "$DIRECTORY"
# shellcheck disable=SC2016 # PGDATA is the container's.
volume=$(docker exec "$postgres" sh -c 'df -Pm "$PGDATA"' | awk 'NR == 2 { print $4 }')
filled=[]
if [ -n "$ROW_COUNTS" ]; then filled=$(generated "$DATABASE" "$ROW_COUNTS" | rows_as_json | jq 'map(select(.rows > 0))'); fi
rehearsed=$(cat "$DIRECTORY/.moved-in-$database_id.json" 2>/dev/null || echo null)
in_database "$DATABASE" "SELECT json_build_object(
  'version', current_setting('server_version_num')::int / 10000,
  'collation', (SELECT datcollate FROM pg_database WHERE datname = current_database()),
  'available', (SELECT json_agg(name) FROM pg_available_extensions))" |
  jq --arg environment "$ENVIRONMENT_NAME" --arg dump "$DIRECTORY/.moving-in-$database_id.dump" --argjson rehearsed "$rehearsed" --argjson filled "$filled" \
    --argjson diskMebibytes $(($(disk_room) - FLOOR_MEBIBYTES)) --argjson volumeMebibytes $((volume - 128)) '. + $ARGS.named'
