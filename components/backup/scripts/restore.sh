# shellcheck shell=bash disable=SC2154,SC2034,SC2016,SC2153
# Fills what is empty on this host with its newest good backup, before anything uses it; what is there is left alone. Answers what it did as
# JSON. Runs after opening.sh, the function about_database, store.sh, drill.sh and redis.sh. SOURCE (as the store calls it), KIND, SERVER,
# FOLDER, OWNER, OF_DATABASE, BEGIN_EMPTY (yes or no) and HOST are parameters beside theirs.

# left_alone WHY: the end.
left_alone() {
  jq --null-input --compact-output --arg source "$SOURCE" --arg left "$1" '$ARGS.named'
  exit 0
}

# Tables, views and sequences of DATABASE, without those that its extensions have brought; none when there is no such database.
count_relations() {
  if database_exists "$DATABASE"; then
    in_database "$DATABASE" "SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'p', 'f', 'v', 'm', 'S')
      AND relnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname IN ('pg_catalog', 'information_schema'))
      AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e')"
  else
    echo 0
  fi
}

# restore_database: `id` beside the empty database, and in its place once it is what it says of itself. Roles, owner, locale, privileges and settings are
# those of the backup. Prints more of the answer, as the two others do.
restore_database() {
  local tables rows
  require_space $((bytes * 6)) "the restore of $SOURCE"
  read_dump "$SCRATCH/backup.tar"
  restore_beside backup.tar "$restored"
  require_as_written "$SCRATCH/backup.tar" "$restored"
  rows=$(count_rows "$restored")
  in_database "$restored" ANALYZE >/dev/null
  drop_database "$DATABASE"
  in_database postgres "ALTER DATABASE \"$restored\" RENAME TO \"$DATABASE\"" >/dev/null
  jq --null-input --compact-output --arg written "$(manifest "$SCRATCH/backup.tar" | jq --raw-output .time)" --argjson tables "$tables" --argjson rows "$rows" '$ARGS.named'
}

restore_redis() {
  require_space "$bytes" "the restore of $SOURCE"
  read_files
  sudo mv "$SCRATCH/restored$path" "$FOLDER/appendonlydir"
  # As many as there were: nothing has read them yet.
  jq --null-input --compact-output --argjson rows "${keys:-0}" '$ARGS.named'
}

# A folder that is there stays the same one: a container may have it.
restore_folder() {
  local whole=$FOLDER.restored
  require_space "$bytes" "the restore of $SOURCE"
  read_files
  sudo test -d "$(dirname "$FOLDER")" || sudo install -d -m 0700 "$(dirname "$FOLDER")"
  sudo rm -rf "$whole"
  sudo mv "$SCRATCH/restored$path" "$whole"
  [ -z "$OWNER" ] || sudo chown --recursive "$OWNER:" "$whole"
  if sudo test -d "$FOLDER"; then
    sudo find "$whole" -mindepth 1 -maxdepth 1 -exec mv --target-directory "$FOLDER" {} +
    sudo rmdir "$whole"
  else
    sudo mv "$whole" "$FOLDER"
  fi
  jq --null-input --compact-output --argjson files "$(sudo find "$FOLDER" -type f -printf . | wc --chars)" '$ARGS.named'
}

exec 8>/run/lock/berth-backups
flock --wait "$WAIT_SECONDS" 8 || fail "another backup, drill or restore of this host still runs after $WAIT_SECONDS seconds"
mountpoint -q "$DATA_VOLUME" || fail "the data volume is not mounted at $DATA_VOLUME: nothing may write below it"
began=$SECONDS began_at=$(date +%s)
if [ "$KIND" = database ]; then
  about_database "$SERVER" "$OF_DATABASE"
  only_one "${database_id}_database" 900
  require_postgres
  there=$(count_relations)
  [ "$there" = 0 ] || left_alone "$there tables, views and sequences"
else
  there=$(sudo find "$FOLDER" -mindepth 1 -print -quit 2>/dev/null) || true
  [ -z "$there" ] || left_alone "files in $FOLDER"
fi

open_store
found='[]'
if find_repository; then
  found=$(backups | jq --compact-output --arg source "$SOURCE" '[.[] | select(.source == $source)] | reverse') ||
    fail "the backups of $NAME cannot be listed"
fi
errors=$(mktemp)
trap 'rm -f "$errors"; sudo rm -rf "${SCRATCH:?}"' EXIT
problems='[]'
while IFS='|' read -r id time bytes keys path <&3; do
  sudo rm -rf "$SCRATCH"
  sudo install -d -m 0700 -o "$(id -u)" -g "$(id -g)" "$SCRATCH"
  code=0
  # Not in a condition, where `set -e` would be off.
  set +e
  result=$(set -e; restore_"$KIND" 2>"$errors")
  code=$?
  set -e
  if [ "$code" = 0 ]; then
    jq --compact-output --arg source "$SOURCE" --arg id "$id" --arg time "$time" --argjson now "$began_at" --argjson rtoSeconds $((SECONDS - began)) --argjson problems "$problems" \
      '{ $source, $id, written: $time, $rtoSeconds, $problems } + . | .rpoSeconds = $now - (.written | fromdate)' <<<"$result"
    exit 0
  fi
  said=$(redact <"$errors" | tail -n 8)
  problems=$(jq --compact-output --arg id "$id" --arg time "$time" --arg said "$said" '. + [{ $id, $time, $said }]' <<<"$problems")
  # An older one is for one that is damaged, not for a store that is away.
  said=$(STORE_SECONDS=120 store cat config --no-lock 2>&1 >/dev/null) ||
    fail "backup $id of $SOURCE was not restored, and the store $STORE_URL does not answer: $(tail -n 3 <<<"$said"). Run up again when it does"
done 3< <(jq --raw-output '.[] | [.id, .time, .bytes, .rows // "", .path] | map(tostring) | join("|")' <<<"$found")

tried=$(jq --raw-output '.[] | "  backup \(.id) of \(.time): \(.said)"' <<<"$problems")
if [ "$BEGIN_EMPTY" = yes ]; then
  jq --null-input --compact-output --arg source "$SOURCE" --argjson problems "$problems" '$ARGS.named + { empty: true }'
  exit 0
fi
acknowledge="To let it begin empty, add \"$SOURCE\" to the list berth:hosts.$HOST.beginEmpty of Pulumi.$STACK.yaml"
[ -z "$tried" ] || fail "no backup of $SOURCE can be restored; nothing was changed:
$tried
$acknowledge"
fail "the store has no backup of $SOURCE in $STORE_URL/$STORE_PREFIX, so $HOST would begin without it. Look whether berth:backups.store and the stack's name are those of the host that is gone. $acknowledge"
