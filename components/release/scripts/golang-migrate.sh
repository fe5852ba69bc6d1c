# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# What the scripts share that run migrations with golang-migrate (files NNN_name.up.sql and NNN_name.down.sql, the record in
# schema_migrations), as jobs of the Swarm with the release's own secrets. Runs after job.sh and database.sh. STACK, VERSION and
# FOLDER are parameters beside theirs; COMMAND has @DATABASE@ for the database and lacks golang-migrate's own command.

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
  listed=$(from_image "$1" "$FOLDER" 2>&1 | tar --list 2>&1) || fail "the image $1 has no folder $FOLDER with migrations: $listed"
  sed -nE "s#.*/([0-9]+_[^/]*\.$2\.sql)\$#\1#p" <<<"$listed" | sort -n
}

# migration_text IMAGE FILE
migration_text() {
  from_image "$1" "$FOLDER/$2" | tar --extract --to-stdout
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

# migrate_job KIND IMAGE DATABASE WORDS...: golang-migrate with these words. When it fails, `job_report` says what it said.
migrate_job() {
  local job=${SERVICE}_$1 IMAGE=$2 database=$3 COMMAND=${COMMAND//@DATABASE@/$3}
  shift 3
  COMMAND+=$(printf '\n%s' "$@")
  create_job --env PGAPPNAME=berth-migration
  if wait_for_job; then
    remove_job
    return 0
  fi
  job_report="Task: $job_state
Last lines of its log:
$(timeout 10 docker service logs --raw --tail 20 "$job" 2>&1 | sed 's/^/  /')"
  remove_job
  # PostgreSQL goes on with what a client has sent, also when the client is gone.
  in_database "$database" "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'berth-migration'" >/dev/null
  return 1
}

remove_jobs() {
  for job in "${SERVICE}_migration" "${SERVICE}_rehearsal"; do remove_job; done
}

pull() {
  local output
  docker image inspect "$1" >/dev/null 2>&1 || output=$(docker pull --quiet "$1" 2>&1) || fail "cannot pull $1: $output"
}

# What an interrupted run left goes: the copies, the jobs. A job on the database itself is waited for, because stopping a
# migration half-way is what hurts.
clear_leftovers() {
  job=${SERVICE}_migration
  if docker service inspect "$job" >/dev/null 2>&1; then wait_for_job || true; fi
  remove_jobs
  drop_database "$rehearsal"
}

# rehearse IMAGE VERSION WORDS...: the same on a copy restored from the snapshot, which proves that the snapshot restores. The
# schema must be at VERSION afterwards.
rehearse() {
  local image=$1 wanted=$2 began=$SECONDS
  shift 2
  restore_beside "$snapshot" "$rehearsal"
  if ! migrate_job rehearsal "$image" "$rehearsal" "$@"; then
    drop_database "$rehearsal"
    fail "the migrations of $SERVICE were rehearsed on a copy of the database and failed there. Everything stops with the database as it was, at schema version $schema_before; the old version serves.
$job_report"
  fi
  read_schema "$rehearsal"
  drop_database "$rehearsal"
  [ "$schema_version $schema_dirty" = "$wanted no" ] ||
    fail "the migrations of $SERVICE were rehearsed on a copy of the database and led to schema version $schema_version (dirty: $schema_dirty) instead of $wanted. Everything stops with the database as it was."
  note INFO "rehearsed on a copy restored from $snapshot, in $((SECONDS - began)) s"
}

# After a failed run on the database itself. golang-migrate sends a file as one implicit transaction: PostgreSQL has rolled the
# file back, and only the dirty flag says otherwise. Sets the flag back to SETTLED_AT, unless the file itself ends transactions.
settle() {
  local file=$1 settled_at=$2
  read_schema "$DATABASE"
  if [ "$schema_dirty" = no ]; then return 0; fi
  if migration_text "$IMAGE" "$file" | grep --quiet --ignore-case --extended-regexp '\b(commit|concurrently|vacuum)\b'; then
    return 1
  fi
  in_database "$DATABASE" "BEGIN; TRUNCATE schema_migrations; INSERT INTO schema_migrations SELECT $settled_at, false WHERE $settled_at > 0; COMMIT" >/dev/null
  schema_version=$settled_at
}

ways_back() {
  cat <<WAYS
Take back what was applied:   npm run ops -- reverse-migration $SYSTEM --to $schema_before --stack $STACK
Restore the snapshot of before (what was written since is lost):   npm run ops -- restore $SYSTEM $snapshot --stack $STACK
WAYS
}

refuse_dirty() {
  [ "$schema_dirty" = yes ] || return 0
  fail "the schema of $DATABASE is marked dirty at version $schema_version: an earlier migration was interrupted, and nobody knows how far it came. Nothing was changed; the running version serves. Ways out:
  look at it, then say what it is (the version before $schema_version when nothing of it is there, which is what PostgreSQL's transactions make likely), on the host:
      docker exec -it \$(docker ps -q --filter label=berth.resource=$POSTGRES_SERVICE) psql -U postgres $DATABASE -c 'UPDATE schema_migrations SET version = <version>, dirty = false'
  restore a snapshot from before (what was written since is lost):
      npm run ops -- snapshots $SYSTEM --stack $STACK
      npm run ops -- restore $SYSTEM <snapshot> --stack $STACK
Then deploy again."
}
