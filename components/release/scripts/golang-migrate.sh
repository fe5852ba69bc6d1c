# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# What is golang-migrate's alone (files NNN_name.up.sql and NNN_name.down.sql, the record in schema_migrations): which version an
# image leads to, its scripts, the flag. Runs after migration-steps.sh, with the step in use.

# The image that brought the schema to where it is: the one that can take it back.
schema_image_file=/var/lib/berth/migrations/$SERVICE

# from_image IMAGE PATH: files of an image as a tar archive, whatever tools the image has.
from_image() {
  local container status=0
  container=$(docker create "$1" true) || return 1
  docker cp "$container:$2" - || status=$?
  docker rm "$container" >/dev/null
  return "$status"
}

# migration_files IMAGE up|down: names, in order.
migration_files() {
  local listed
  listed=$(from_image "$1" "$step_folder" 2>&1 | tar --list 2>&1) || fail "the image $1 has no folder $step_folder with migrations: $listed"
  sed -nE "s#.*/([0-9]+_[^/]*\.$2\.sql)\$#\1#p" <<<"$listed" | sort -n
}

# migration_text IMAGE FILE
migration_text() {
  from_image "$1" "$step_folder/$2" | tar --extract --to-stdout
}

# The versions of files on standard input, one a line.
versions() {
  sed -nE 's/^0*([0-9]+)_.*/\1/p'
}

# newest_version IMAGE: the schema that an image expects.
newest_version() {
  local files
  files=$(migration_files "$1" up) || exit 1
  versions <<<"$files" | tail -n 1 | grep . || echo 0
}

# clear_dirty_flag VERSION: by golang-migrate's own `force`, on the database itself; 0 is a database without migrations.
clear_dirty_flag() {
  local to=$1
  [ "$to" != 0 ] || to=-1
  # Its command line takes -1 for an option, unless this stands in front of it.
  step_job migration "$DATABASE" migrate force -- "$to" || return 1
  read_schema "$DATABASE"
  [ "$schema_dirty" = no ]
}

# take_flag_back FILE VERSION: after a failed run on the database itself. golang-migrate sends a file as one implicit transaction:
# PostgreSQL has rolled the file back, and only the dirty flag says otherwise. Sets it back, unless the file itself ends transactions.
take_flag_back() {
  local failed=$job_report
  read_schema "$DATABASE"
  if [ "$schema_dirty" = no ]; then return 0; fi
  if migration_text "$step_image" "$1" | grep --quiet --ignore-case --extended-regexp '\b(commit|concurrently|vacuum)\b'; then
    return 1
  fi
  clear_dirty_flag "$2" && return 0
  job_report="$failed
And setting the flag back failed. $job_report"
  return 1
}

refuse_dirty() {
  [ "$schema_dirty" = yes ] || return 0
  fail "the schema of $DATABASE is marked dirty at version $schema_version: an earlier migration was interrupted, and nobody knows how far it came. Nothing was changed; the running version serves. Ways out:
  look at it, then say which version it is at (the one before $schema_version when nothing of it is there, which is what PostgreSQL's transactions make likely):
      npm run ops -- clear-dirty-flag $SYSTEM --at <version> --stack $STACK
  restore a snapshot from before (what was written since is lost):
      npm run ops -- snapshots $SYSTEM --stack $STACK
      npm run ops -- restore $SYSTEM <snapshot> --stack $STACK
Then deploy again."
}

refuse_newer() {
  [ "$schema_version" -gt "$expected_schema" ] || return 0
  fail "the schema of $DATABASE is at version $schema_version, and $VERSION ships version $expected_schema: this is going back to a version that is older than the database. Nothing was changed; the running version serves. Choose:
  1. keep the newer schema. Right when its migrations only added: the old code does not notice. Acknowledge it for this version:
      npx pulumi config set --path $MIGRATIONS.skipFor $VERSION --stack $STACK
  2. reverse the migrations (what they added is lost):
      npm run ops -- reverse-migration $SYSTEM --to $expected_schema --stack $STACK
  3. restore a snapshot from before them (what was written since is lost):
      npm run ops -- snapshots $SYSTEM --stack $STACK
      npm run ops -- restore $SYSTEM <snapshot> --as-it-was --stack $STACK
Then deploy again. 2 and 3 take the schema away from under the version that runs now. Without a gap: first 1 and a deploy, then 2 or 3, then remove the acknowledgement and deploy once more."
}
