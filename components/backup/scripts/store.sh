# shellcheck shell=bash disable=SC2154,SC2016,SC2153
# The repository of backups that belongs to one system, or to one host (NAME). STORE_FILE has what opens it, readable by root alone: it never
# stands in an argument list. AUTHORITY_FILE, empty for a public authority, is what signed the store's certificate. REPOSITORY is another one than
# STORE_FILE names, and EVER what is recorded once there was something in it.
REPOSITORY='' EVER='.backup.ever // empty'

# store WORDS...: restic on that repository (restic's manual, "Environment Variables"), for at most STORE_SECONDS: what the store does not
# have whole, restic asks for again and again for a quarter of an hour (internal/backend/retry/backend_retry.go).
store() {
  sudo timeout "${STORE_SECONDS:-3600}" nice -n 10 bash -c 'set -a; . "$0"; exec restic "$@"' "$STORE_FILE" \
    ${REPOSITORY:+--repo "$REPOSITORY"} ${AUTHORITY_FILE:+--cacert "$AUTHORITY_FILE"} "$@"
}

# store_request METHOD PATH BODY: asks the store itself, of a path in the bucket, and prints the answer's status and version.
store_request() {
  sudo bash -c '. "$0"
    printf "user = \"%s:%s\"\n" "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" |
      curl --silent --show-error --max-time 60 --config - --aws-sigv4 "aws:amz:$AWS_DEFAULT_REGION:s3" \
        --header "x-amz-content-sha256: $(printf %s "$4" | sha256sum | cut -c 1-64)" ${1:+--cacert "$1"} --request "$2" \
        --data-raw "$4" --header "Content-Type: text/plain" --dump-header - --output /dev/null "$STORE_URL/$3"' \
    "$STORE_FILE" "$AUTHORITY_FILE" "$@" |
    tr -d '\r' | awk '/^HTTP\// { status = $2 } tolower($1) == "x-amz-version-id:" { version = $2 } END { print status, version }'
}

# Fails when whoever has the host's credentials could delete a backup for good, by trying it on an object of its own.
require_kept_versions() {
  local status version said
  said=$(store_request PUT "$STORE_PREFIX/berth-probe" "may this be deleted?" 2>&1) || true
  read -r status version <<<"$said" || true
  [ "$status" = 200 ] || fail "the store $STORE_URL refuses to be written to: ${said:-no answer}. Endpoint, bucket and region are in berth:backups.store; the key: berth:backupsAccessKeyId and berth:backupsSecretAccessKey"
  [ "${version:-null}" != null ] || fail "the bucket of $STORE_URL keeps no versions, so a deleted backup is gone. Turn versioning on: docs/runbooks/backups.md, \"The bucket\""
  read -r status version <<<"$(store_request DELETE "$STORE_PREFIX/berth-probe?versionId=$version" "" 2>&1)" || true
  [ "$status" = 403 ] || fail "the key of berth:backupsAccessKeyId may delete backups for good (the store answered ${status:-nothing} where it must answer 403): whoever breaks into the host could. Deny s3:DeleteObjectVersion to it: docs/runbooks/backups.md, \"The bucket\""
}

# False when there is no repository.
find_repository() {
  local said
  # Which also removes what a killed run has left locked.
  said=$(store unlock 2>&1) && return
  case $said in
    *"wrong password"* | *"no key found"*)
      fail "the repository of $NAME does not open with berth:backupsPassword. If it was changed, put the old one back: backups are encrypted with it" ;;
    # restic 0.14 and 0.18 say it so; any other failure to read is none of an empty place.
    *"key does not exist"* | *"repository does not exist"*) return 1 ;;
    *) fail "the store $STORE_URL cannot be used: $(tail -n 3 <<<"$said")" ;;
  esac
}

# Opens the repository. It is made when there has never been one.
open_repository() {
  local said
  find_repository && return
  [ -z "$(recorded "$EVER")" ] ||
    fail "the repository of $NAME is gone from $STORE_URL, although backups were written to it. Somebody has deleted it: docs/runbooks/backups.md, \"Backups were deleted\""
  said=$(store init 2>&1) || fail "no repository can be made in $STORE_URL: $(tail -n 3 <<<"$said")"
}

# recorded FILTER: of what was recorded about this name's backups and drills.
recorded() {
  jq --raw-output "$@" "$RECORD" 2>/dev/null || true
}

# record FILTER ARGUMENTS...: changes the record, whole or not at all, and one after the other: WAL is sent while backups and drills run.
record() {
  exec 6>"/run/lock/berth-record-$NAME"
  flock --wait 60 6 || fail "$RECORD is in use for 60 seconds"
  [ -s "$RECORD" ] || echo '{}' >"$RECORD"
  jq "${@:2}" "$1" "$RECORD" >"$RECORD.new"
  mv "$RECORD.new" "$RECORD"
  exec 6>&-
}

# in_its_own_process WORDS...: this script with other arguments, so that an error ends that part alone. Sets `said`, its last line or its
# own words of what went wrong, and `code`.
in_its_own_process() {
  local errors=$RECORD.errors-$BASHPID
  code=0
  said=$(bash "$0" "$@" 2>"$errors") || code=$?
  if [ "$code" = 0 ]; then
    said=$(tail -n 1 <<<"$said")
  else
    said=$(redact <"$errors" | tail -n 8)
    said=${said:-it ended without a word}
  fi
  rm -f "$errors"
}

# Every backup of this name, oldest first, as a JSON list.
backups() {
  store snapshots --no-lock --json --host "$STORE_HOST" | jq '[(. // [])[] | { id: .short_id, time: (.time[:19] + "Z"), path: .paths[0],
      tags: ([(.tags // [])[] | select(contains("=")) | { key: split("=")[0], value: (split("=")[1:] | join("=")) }] | from_entries) } |
      { id, time, path, source: (.tags.source // ""), bytes: (.tags.bytes // "0" | tonumber), rows: (.tags.rows // "" | tonumber? // null) }] | sort_by(.time)'
}

# seconds_for BYTES: what reading so much may take, at 1 MiB a second.
seconds_for() { echo $((120 + $1 / 1048576)); }

# fetch ID SOURCE: a database's backup, into the folder of snapshots, where a restore takes it from. Prints its name there.
fetch() {
  local found path name said
  open_repository
  found=$(backups | jq --arg id "$1" '[.[] | select(.id == $id)] | last // empty')
  [ -n "$found" ] || fail "there is no backup $1 of $NAME; to list them: npm run ops -- backups $NAME --stack $STACK"
  [ "$(jq --raw-output .source <<<"$found")" = "$2" ] || fail "backup $1 is of $(jq --raw-output .source <<<"$found"), not of $2"
  path=$(jq --raw-output .path <<<"$found")
  STORE_SECONDS=$(seconds_for "$(jq --raw-output .bytes <<<"$found")")
  name=$(basename "$path")
  sudo install -d -m 0700 -o "$(id -u)" -g "$(id -g)" "$SNAPSHOTS"
  said=$(store dump --no-lock "$1" "$path" 2>&1 >"$SNAPSHOTS/$name.fetched") || {
    rm -f "$SNAPSHOTS/$name.fetched"
    fail "backup $1 cannot be read from $STORE_URL: $(tail -n 3 <<<"$said")"
  }
  mv "$SNAPSHOTS/$name.fetched" "$SNAPSHOTS/$name"
  printf '%s\n' "$name"
}
