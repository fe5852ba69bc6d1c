# shellcheck shell=bash disable=SC2154,SC2034,SC2016,SC2153
# Backups and drills of a Redis server: its append-only files. Runs after drill.sh.

# redis_container SERVICE
redis_container() {
  service_containers "$1" | head -n 1
}

# ask_redis CONTAINER WORDS...: its password is in the configuration file of its secrets, which a throwaway server has none of.
ask_redis() {
  docker exec "$1" sh -c 'REDISCLI_AUTH=$(sed -n "s/^requirepass //p" /run/secrets/redis.conf 2>/dev/null) exec redis-cli --raw "$@"' redis-cli "${@:2}"
}

# count_keys CONTAINER: of all its databases.
count_keys() {
  ask_redis "$1" INFO keyspace | tr -d '\r' | sed -nE 's/^db[0-9]+:keys=([0-9]+).*/\1/p' | awk '{ keys += $1 } END { printf "%.0f\n", keys }'
}

# Rewriting as Redis does by default, which Berth leaves it: what it was before could be what a killed backup has left. And what was linked
# goes. Of the shell, since the function that sets its variables has ended when it runs.
end_redis_backup() {
  ask_redis "$container" CONFIG SET auto-aof-rewrite-percentage 100 >/dev/null 2>&1 || true
  sudo rm -rf "${linked:?}"
}

# back_up_redis SOURCE SERVICE: the files as they are at one moment. Redis puts others in their place when it rewrites them, so it does not
# meanwhile (redis.io/docs, "Backing up AOF persistence"). They are linked, which takes neither time nor space, and sent from there.
back_up_redis() {
  local source=$1 folder keys bytes waited=0
  container=$(redis_container "$2")
  [ -n "$container" ] || fail "$2 is not running"
  folder=$(docker inspect --format '{{range .Mounts}}{{if eq .Destination "/data"}}{{.Source}}{{end}}{{end}}' "$container")
  sudo test -d "$folder/appendonlydir" || fail "$2 has no append-only files in $folder"
  linked=$folder.backup
  trap end_redis_backup EXIT
  ask_redis "$container" CONFIG SET auto-aof-rewrite-percentage 0 >/dev/null
  while ask_redis "$container" INFO persistence | grep --quiet -E '^aof_rewrite_(in_progress|scheduled):1'; do
    waited=$((waited + 1))
    [ "$waited" -le 300 ] || fail "$2 has rewritten its append-only file for 300 seconds; back up when that has ended"
    sleep 1
  done
  sudo rm -rf "$linked"
  sudo cp --archive --link "$folder/appendonlydir" "$linked"
  keys=$(count_keys "$container")
  bytes=$(sudo du --summarize --bytes "$linked" | cut -f 1)
  send "$source" "$bytes" "$keys" "$linked"
  # The files shrink when they are rewritten: their size says nothing of what is missing.
  sent_as "$bytes" "$keys" ""
}

# drill_redis SOURCE SERVICE: a server of the same image starts from the newest backup, and has the keys that were there.
drill_redis() {
  local source=$1 newest id bytes path began=$SECONDS written expected keys waited=0 running
  drill=berth-drill-$2
  find_newest "$source"
  written=$(jq --raw-output .time <<<"$newest") expected=$(jq --raw-output '.rows // 0' <<<"$newest")
  running=$(redis_container "$2")
  [ -n "$running" ] || fail "$2 is not running, so there is no image to start"
  end_drill
  trap end_drill EXIT
  require_space $((bytes * 6)) "a drill"
  # The image's own user goes through it; nobody else comes to it.
  sudo install -d -m 0755 "$SCRATCH" "$SCRATCH/data"
  read_files
  sudo mv "$SCRATCH/restored$path" "$SCRATCH/data/appendonlydir"
  docker run --detach --name "$drill" --network none --memory "${DRILL_MEBIBYTES}m" --memory-swap "${DRILL_MEBIBYTES}m" --cpus 1 --log-driver local \
    --mount "type=bind,source=$SCRATCH/data,target=/data" "$(docker inspect --format '{{.Image}}' "$running")" \
    redis-server --appendonly yes --save '' >/dev/null || fail "no throwaway server can be started"
  until [ "$(ask_redis "$drill" PING 2>/dev/null)" = PONG ]; do
    waited=$((waited + 1))
    if [ "$waited" -gt 240 ] || [ "$(docker inspect --format '{{.State.Running}}' "$drill")" != true ]; then
      fail "backup $id does not start: $(docker logs --tail 5 "$drill" 2>&1)"
    fi
    sleep 0.5
  done
  keys=$(count_keys "$drill")
  if [ "$FEWER_ROWS" != yes ] && [ "$keys" -lt $((expected / 2)) ]; then
    fail "backup $id has $keys keys, and $2 had $expected when it was written"
  fi
  jq --null-input --compact-output --arg id "$id" --arg written "$written" --argjson rows "$keys" \
    --argjson rpoSeconds $(($(date +%s) - $(date -d "$written" +%s))) --argjson rtoSeconds $((SECONDS - began)) '$ARGS.named'
}
