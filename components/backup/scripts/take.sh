# shellcheck shell=bash disable=SC2154,SC2034,SC2016,SC2153
# Writes backups of everything that NAME has (SOURCES, one a line) to the store, and says in RECORD how each went. Runs after store.sh and
# the function about_database, which has database.sh in it.

# write_backup WHAT BYTES WORDS...: restic encrypts and sends what its words name, or its standard input. Sets `id`.
write_backup() {
  local said
  STORE_SECONDS=$(seconds_for "$2")
  said=$(store backup --json --host "$STORE_HOST" "${@:3}" 2>&1) ||
    fail "$1 was not sent to $STORE_URL: $(grep --invert-match '"message_type":"status"' <<<"$said" | tail -n 3)"
  id=$(grep '"message_type":"summary"' <<<"$said" | jq --raw-output '.snapshot_id[:8]')
  [ -n "$id" ] || fail "restic did not say which backup of $1 it wrote"
}

# send SOURCE BYTES ROWS PATH: a file or folder. Sets `id`.
send() {
  write_backup "$1" "$2" --tag "source=$1" --tag "bytes=$2" ${3:+--tag "rows=$3"} "$4"
}

# back_up_database SOURCE SERVER NAME: a dump as releases write their snapshots, sent, and read back from the store whole: what arrived is what was written.
back_up_database() {
  local source=$1 file rows bytes sent arrived
  about_database "$2" "$3"
  DIRECTORY=$DUMPS KEEP=1 KEEP_DAYS=1
  only_one "${database_id}_database" 900
  require_postgres
  database_exists "$DATABASE" || fail "there is no database $DATABASE on $POSTGRES_SERVICE"
  write_snapshot
  rows=$(in_database "$DATABASE" "SELECT coalesce(sum(n_live_tup), 0) FROM pg_stat_user_tables")
  # A release may go on while it is sent.
  exec 9>&-
  file=$DUMPS/$snapshot
  bytes=$(stat --format %s "$file")
  send "$source" "$bytes" "$rows" "$file"
  sent=$(sha256sum <"$file")
  arrived=$(set -o pipefail; store dump --no-lock "$id" "$file" 2>/dev/null | sha256sum) || arrived=
  [ "$sent" = "$arrived" ] ||
    fail "what arrived of $source (backup $id) is not what was sent: its checksum differs"
  finished "$source" "$bytes" "$rows"
}

# back_up_folder SOURCE FOLDER: files that are whole at any time: a registry's blobs, Git's objects, certificates.
back_up_folder() {
  local source=$1 bytes
  sudo test -d "$2" || fail "there is no folder $2"
  bytes=$(sudo du --summarize --bytes "$2" | cut -f 1)
  send "$source" "$bytes" "" "$2"
  finished "$source" "$bytes" ""
}

# back_up_state SOURCE STACK CHECKSUM: Pulumi's state, which comes on standard input whole or not at all, sent and read back. The host keeps no copy.
back_up_state() {
  local source=$1 file=$DUMPS/state-$2.json bytes arrived
  sudo install -d -m 0700 -o "$(id -u)" -g "$(id -g)" "$DUMPS"
  # Of the shell, since the function that sets its variables has ended when it runs.
  state_file=$file
  trap 'rm -f "$state_file"' EXIT
  cat >"$file"
  [ "$(sha256sum <"$file")" = "$3  -" ] || fail "what came to this host of $source is not what was sent: its checksum differs"
  bytes=$(stat --format %s "$file")
  send "$source" "$bytes" "" "$file"
  arrived=$(set -o pipefail; store dump --no-lock "$id" "$file" 2>/dev/null | sha256sum) || arrived=
  [ "$arrived" = "$3  -" ] || fail "what arrived of $source (backup $id) is not what was sent: its checksum differs"
  sent_as "$bytes" "" ""
}

# finished SOURCE BYTES ROWS: says what was written. One that is much smaller than the one before is a problem until the next one is like it.
finished() {
  local before problem=
  before=$(recorded --arg source "$1" '.sources[$source].bytes // 0')
  [ "$2" -ge $((before / 2)) ] || problem="it has $2 bytes, the one before had $before: is data missing?"
  sent_as "$2" "$3" "$problem"
}

# sent_as BYTES ROWS PROBLEM: the record of what was sent.
sent_as() {
  jq --null-input --compact-output --arg id "$id" --argjson bytes "$1" --arg rows "$2" --arg problem "$3" '$ARGS.named'
}

# back_up KIND SERVER NAME: one source, whose problem is not the others'. Sets `code`.
back_up() {
  back_up_source "$1 $2${3:+/$3}" "$@"
}

# back_up_source SOURCE ARGUMENTS...: of the function back_up_<kind>.
back_up_source() {
  local source=$1 said
  in_its_own_process take-one "$@"
  if [ "$code" = 0 ]; then
    record '.sources[$source] = $said + { ok: (now | todate), attempt: (now | todate) }' --arg source "$source" --argjson said "$said"
    echo "$source: backup $(jq --raw-output '.id + ", " + (.bytes | tostring) + " bytes" + (if .problem == "" then "" else ". PROBLEM: " + .problem end)' <<<"$said")"
  else
    record '.sources[$source] = (.sources[$source] // {}) + { attempt: (now | todate), problem: $said }' --arg source "$source" --arg said "$said"
    echo "$source: FAILED: $said" >&2
  fi
}

# What is older than KEEP_DAILY days and KEEP_WEEKLY weeks goes from the list, for each source by itself; restic counts days that have a
# backup, so a time without any removes nothing. Only when every source was just written well: then the newest is a good one.
forget_old() {
  local kind server name source
  {
    while IFS=$'\t' read -r kind server name _; do
      echo "$kind $server${name:+/$name}"
    done <<<"$SOURCES"
    recorded '.sources | keys[] | select(startswith("state "))'
  } | while IFS= read -r source; do
    store forget --host "$STORE_HOST" --tag "source=$source" --group-by host --keep-last 1 \
      --keep-daily "$KEEP_DAILY" --keep-weekly "$KEEP_WEEKLY" >/dev/null </dev/null || exit 1
  done || return 1
  store prune >/dev/null
}

# All sources, the retention, and a check of a seventh of what the store holds: all of it in a week.
back_up_all() {
  local kind server name failed=0 said problem='' began=$SECONDS
  require_kept_versions
  open_repository
  while IFS=$'\t' read -r kind server name _ <&3; do
    back_up "$kind" "$server" ${name:+"$name"}
    [ "$code" = 0 ] || failed=$((failed + 1))
  done 3<<<"$SOURCES"
  if [ "$failed" = 0 ] && [ "$(recorded '[.sources | to_entries[] | select((.key | startswith("state ") | not) and .value.problem != "")] | length')" = 0 ]; then
    # The first ones of a host that was restored from here remove nothing: somebody may still want what was not restored.
    if [ -n "$(recorded '.backup.ever // empty')" ]; then
      said=$(forget_old 2>&1) || problem="old backups could not be removed: $(tail -n 3 <<<"$said")"
    fi
    said=$(store check --read-data-subset="$(date +%u)/7" 2>&1) ||
      problem="the store does not hold what it should: $(grep --ignore-case --extended-regexp 'error|fatal|damaged|missing' <<<"$said" | tail -n 3)"
  fi
  [ "$failed" = 0 ] || problem="$failed of $(wc -l <<<"$SOURCES") failed"
  record '.backup = { attempt: (now | todate), seconds: $seconds, problem: $problem, ever: (.backup.ever // (if $failed == 0 then (now | todate) else null end)) }' \
    --argjson seconds $((SECONDS - began)) --arg problem "$problem" --argjson failed "$failed"
  [ -z "$problem" ] || fail "backup of $NAME: $problem"
}

# True when each source has a backup.
all_have_one() {
  local kind server name
  while IFS=$'\t' read -r kind server name _; do
    [ -n "$(recorded --arg source "$kind $server${name:+/$name}" '.sources[$source].ok // empty')" ] || return 1
  done <<<"$SOURCES"
}
