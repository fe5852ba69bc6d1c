# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# A system's migrations, step by step, as jobs of the Swarm with the release's own secrets. Runs after job.sh and database.sh.
# STACK, VERSION and STEPS are parameters beside theirs. STEPS is a JSON list of objects:
#   kind      golang-migrate (see golang-migrate.sh) or command
#   name      for messages
#   folder    golang-migrate: its files in the image
#   query     command: the SQL query that reads the version, where there is one
#   commands  words by name. golang-migrate: migrate, which lacks its own command (up, goto …). command: up, and where they are
#             stated upToDate (ends with 0 when nothing is to be applied) and version (prints it as its last line)
#   job       what job.sh runs, but for the command
#   writes    command: files that its `up` writes for another service (files), the folder in its container (from) and the one on
#             the host that keeps them (to)
# @DATABASE@ in commands and job is the name of the database.
# LOCK_TIMEOUT_SECONDS is how long a statement of a step waits for a lock.
: "${LOCK_TIMEOUT_SECONDS:=10}"

# use_step NUMBER
use_step() {
  local assignments
  step=$(jq --compact-output ".[$1]" <<<"$STEPS")
  assignments=$(jq --raw-output '@sh "step_kind=\(.kind) step_name=\(.name) step_image=\(.job.image) step_folder=\(.folder // "") step_query=\(.query // "")"' <<<"$step")
  eval "$assignments"
}

steps_count() {
  jq length <<<"$STEPS"
}

# Whether a step is golang-migrate's, which is then in use: it alone knows versions in order and the way down.
use_golang_migrate() {
  local number
  number=$(jq --raw-output 'map(.kind) | index("golang-migrate") // empty' <<<"$STEPS")
  [ -n "$number" ] || return 1
  use_step "$number"
}

step_has() {
  jq --exit-status --arg name "$1" '.commands[$name] != null' <<<"$step" >/dev/null
}

# step_job KIND DATABASE COMMAND [WORDS...]: the step's command of that name, with more words. Sets `job_said`, the last line of `version`;
# when it fails, `job_report` says what it said.
step_job() {
  local JOB kind=$1 database=$2 name=$3
  job=${SERVICE}_$kind
  shift 3
  JOB=$(jq --compact-output --arg image "$step_image" --arg database "$database" --arg name "$name" --arg words "$(printf '%s\n' "$@")" '
    .job + {image: $image, command: (.commands[$name] + ($words | split("\n") | map(select(. != ""))))}
    | (.. | strings) |= (split("@DATABASE@") | join($database))' <<<"$step")
  local written=() kept=
  if [ "$name" = up ] && jq --exit-status .writes <<<"$step" >/dev/null; then
    kept=$(jq --raw-output .writes.to <<<"$step")
    # Its image's user is unknown; nobody but root passes the folder above.
    sudo install -d -m 0700 "${kept%/*}" && sudo rm -rf "$kept.new" && sudo install -d -m 0777 "$kept.new"
    written=(--mount "type=bind,source=$kept.new,target=$(jq --raw-output .writes.from <<<"$step")")
  fi
  create_job --env PGAPPNAME=berth-migration --env "PGOPTIONS=-c lock_timeout=${LOCK_TIMEOUT_SECONDS}s" "${written[@]}"
  job_database=$database job_addresses="" job_blockers=""
  if wait_for_job; then
    if [ -n "$kept" ]; then
      keep_written "$kept" "$kind" || { remove_job; return 1; }
    fi
    [ "$name" != version ] || job_said=$(timeout 10 docker service logs --raw --tail 5 "$job" 2>/dev/null | sed '/^[[:space:]]*$/d' | tail -n 1)
    remove_job
    return 0
  fi
  job_report="Task: $job_state
Last lines of its log:
$(timeout 10 docker service logs --raw --tail 20 "$job" 2>&1 | sed 's/^/  /')"
  [ -z "$job_blockers" ] || job_report+="
It waited for a lock, at most $LOCK_TIMEOUT_SECONDS s, since whoever comes after it waits too. In its way:
$job_blockers
Wait until that has ended and deploy again. Or end it: npm run ops -- psql $SYSTEM --superuser --stack $STACK -- -c 'SELECT pg_terminate_backend(<process>)'
Or wait longer: npx pulumi config set --path $MIGRATIONS.lockTimeoutSeconds <seconds> --stack $STACK"
  remove_job
  # PostgreSQL goes on with what a client has sent, also when the client is gone.
  in_database "$database" "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND $(of_the_job)" >/dev/null
  return 1
}

# keep_written FOLDER KIND: keeps what the step has written, of a rehearsal nothing. A step that ran before may write nothing again, nor
# what it was not yet asked to write then: who reads that says how to provide it.
keep_written() {
  local file before=yes
  sudo test -d "$1" || before=
  while read -r file; do
    if sudo test -s "$1.new/$file"; then
      [ "$2" = rehearsal ] || sudo install -D -m 0600 "$1.new/$file" "$1/$file"
    elif [ -z "$before" ]; then
      job_report="It ended, but wrote no $file to $(jq --raw-output .writes.from <<<"$step"), which another service is given."
      return 1
    fi
  done < <(jq --raw-output '.writes.files[]' <<<"$step")
  sudo rm -rf "$1.new"
}

# SQL that is true of a session of the job: not every client takes the name that it is given.
of_the_job() {
  printf "(application_name = 'berth-migration' OR client_addr = ANY ('{%s}'))" "$job_addresses"
}

# While a job runs: keeps who is in its way when it waits for a lock. A client that does not know PGOPTIONS has no lock_timeout: its
# statement is cancelled here. What the others have sent may hold secrets, so it is not shown.
job_watch() {
  local said
  job_addresses=$(docker service ps --quiet --no-trunc "$job" | xargs --no-run-if-empty docker inspect --type task \
    --format '{{range .NetworksAttachments}}{{range .Addresses}}{{.}} {{end}}{{end}}' 2>/dev/null | sed -E 's#/[0-9]+##g' | xargs | tr ' ' ',') || return 0
  said=$(in_database "$job_database" "
    WITH waiting AS (
      SELECT pid, coalesce(relation::regclass::text, locktype) AS what, now() - waitstart AS since
      FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND datname = current_database() AND $(of_the_job)),
    cancelled AS (SELECT pg_cancel_backend(pid) FROM waiting WHERE since > make_interval(secs => $LOCK_TIMEOUT_SECONDS + 2))
    SELECT DISTINCT format('  process %s (%s, role %s, from %s): %s, its transaction open for %s s; the step waits for %s', other.pid,
      coalesce(nullif(other.application_name, ''), 'no name'), other.usename, coalesce(host(other.client_addr), 'the host'), other.state,
      extract(epoch FROM now() - other.xact_start)::int, what)
    FROM waiting, unnest(pg_blocking_pids(waiting.pid)) AS holder JOIN pg_stat_activity AS other ON other.pid = holder,
      (SELECT count(*) FROM cancelled) AS counted" 2>/dev/null) || return 0
  [ -z "$said" ] || job_blockers=$said
}

remove_jobs() {
  for job in "${SERVICE}_migration" "${SERVICE}_rehearsal" "${SERVICE}_check"; do remove_job; done
}

pull() {
  local output
  docker image inspect "$1" >/dev/null 2>&1 || output=$(docker pull --quiet "$1" 2>&1) || fail "cannot pull $1: $output"
}

# What an interrupted run left goes: the copies, the jobs. A job on the database itself is waited for, because stopping a
# migration half-way is what hurts.
clear_leftovers() {
  job=${SERVICE}_migration job_database=$DATABASE job_addresses=""
  if docker service inspect "$job" >/dev/null 2>&1; then wait_for_job || true; fi
  remove_jobs
  drop_database "$rehearsal"
}

# read_step_version DATABASE: sets `step_version`, empty when the step says none; false when it cannot be read, as before a first run.
read_step_version() {
  step_version=
  if [ "$step_kind" = golang-migrate ]; then
    read_schema "$1" || return 1
    step_version=$schema_version
  elif [ -n "$step_query" ]; then
    step_version=$(in_database "$1" "$step_query" 2>&1 | head -n 1) || {
      job_report="Its version cannot be read: $step_version"
      return 1
    }
  elif step_has version; then
    step_job check "$1" version || return 1
    step_version=$job_said
  fi
}

# plan_steps DATABASE: sets `pending`, the numbers of the steps that have something to apply there, and `versions_before` in words.
plan_steps() {
  local number count
  pending=()
  versions_before=
  count=$(steps_count)
  for ((number = 0; number < count; number++)); do
    use_step "$number"
    pull "$step_image"
    if read_step_version "$1" && [ -n "$step_version" ]; then
      versions_before+="${versions_before:+, }$step_name version $step_version"
    fi
    # What cannot say that it is up to date runs each time.
    if [ "$step_kind" = golang-migrate ]; then
      expected_schema=$(newest_version "$step_image")
      if [ "$schema_version" -lt "$expected_schema" ]; then pending+=("$number"); fi
    elif ! step_has upToDate || ! step_job check "$1" upToDate; then
      pending+=("$number")
    fi
    case " ${pending[*]} " in *" $number "*) ;; *) note INFO "$step_name: nothing to apply" ;; esac
  done
}

# run_steps KIND DATABASE: the pending steps, in order, each to the version that is expected of it. When one fails, it stays in use,
# `job_report` says why, and `applied` what went before.
run_steps() {
  local number
  applied=
  for number in "${pending[@]}"; do
    use_step "$number"
    if [ "$step_kind" = golang-migrate ]; then
      [ "$1" != migration ] || sudo install -D -m 0644 /dev/stdin "$schema_image_file" <<<"$step_image"
      step_job "$1" "$2" migrate up || return 1
    else
      step_job "$1" "$2" up || return 1
    fi
    read_step_version "$2" || return 1
    if [ "$step_kind" = golang-migrate ] && [ "$schema_version $schema_dirty" != "$expected_schema no" ]; then
      job_report="It ended, but the schema is at version $schema_version (dirty: $schema_dirty) and not at $expected_schema."
      return 1
    fi
    if [ "$1" = rehearsal ]; then
      versions_rehearsed[number]=$step_version
    elif [ "$step_version" != "${versions_rehearsed[number]-$step_version}" ]; then
      job_report="It ended at version $step_version, and at ${versions_rehearsed[number]} in the rehearsal."
      return 1
    fi
    applied+="${applied:+, }$step_name${step_version:+ to version $step_version}"
  done
}
versions_rehearsed=()

# rehearse FUNCTION: runs `FUNCTION rehearsal DATABASE` on a copy restored from the snapshot, which proves that the snapshot restores.
rehearse() {
  local began=$SECONDS late=
  restore_beside "$snapshot" "$rehearsal"
  if ! "$1" rehearsal "$rehearsal"; then
    drop_database "$rehearsal"
    case $job_report in
      "Task: not finished after "*) late="
It may need longer than that: npx pulumi config set --path $MIGRATIONS.deadlineSeconds <seconds> --stack $STACK${without_copy:-}" ;;
    esac
    fail "the migrations of $SERVICE were rehearsed on a copy of the database and failed there ($step_name). Everything stops with the database as it was${versions_before:+, at $versions_before}; the old version serves.
$job_report$late"
  fi
  drop_database "$rehearsal"
  note INFO "rehearsed on a copy restored from $snapshot, in $((SECONDS - began)) s"
}
