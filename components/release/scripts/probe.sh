# shellcheck shell=bash disable=SC2154
# Waits until every task of a slot is healthy for Docker and answers as expected on the way that requests will take: from the
# edge's container over the shared network; and until the database answers with the schema that the slot's image expects. Runs
# after database.sh, migration-steps.sh and golang-migrate.sh. SLOT, REPLICAS, GRACE_SECONDS, ATTEMPTS and INTERVAL_SECONDS are parameters, and of the
# health declaration DOCKER_CHECK ("no" when Docker checks nothing), PORT (empty: not over HTTP), HEALTH_PATH, STATUSES and FIELDS
# (JSON object, path to value; empty: any body); DATABASE is empty when the service has none, STEPS lists its migrations,
# SKIP is "yes" when a newer schema was acknowledged.
slot_start "$SLOT" "$REPLICAS"
if [ -n "$PORT" ]; then
  edge=$(docker ps --quiet --filter label=berth.role=edge --filter status=running | head -n 1)
  [ -n "$edge" ] || fail "the edge is not running, so nothing can be probed on its way"
  edge_networks=$(docker inspect --format '{{range $id, $network := .NetworkSettings.Networks}}{{$network.NetworkID}} {{end}}' "$edge")
fi
expected_schema=
if use_golang_migrate; then
  expected_schema=$(newest_version "$step_image")
  # For the record: going back to this slot depends on it.
  printf '%s' "$expected_schema" >"$release_schema"
fi

# Every field is a line: "ok" or "FAILED", the field's name, what was found and what is needed.
field() {
  printf '%-6s  %s: %s\n' "$@"
}

database_fields() {
  local said needed
  [ -n "$DATABASE" ] || return 0
  if ! find_postgres; then
    field FAILED database "$POSTGRES_SERVICE is not running"
    return
  fi
  # In this shell, not in a substitution: it sets variables.
  if ! read_schema "$DATABASE" 2>"$complaint"; then
    said=$(tr '\n' ' ' <"$complaint")
    field FAILED database "cannot be queried: $said"
    return
  fi
  field ok database "answers"
  queried_versions
  [ -n "$expected_schema" ] || return 0
  needed="needs $expected_schema"
  [ "$SKIP" != yes ] || needed="needs $expected_schema or newer"
  if [ "$schema_dirty" = yes ]; then
    field FAILED "migration version" "$schema_version and marked dirty, $needed"
  elif [ "$schema_version" -lt "$expected_schema" ] || { [ "$schema_version" -gt "$expected_schema" ] && [ "$SKIP" != yes ]; }; then
    field FAILED "migration version" "$schema_version, $needed"
  else
    field ok "migration version" "$schema_version"
  fi
}

# What the other migrations' versions are, where a query reads them.
queried_versions() {
  local number
  for ((number = 0; number < $(steps_count); number++)); do
    use_step "$number"
    [ -n "$step_query" ] || continue
    if read_step_version "$DATABASE"; then
      field ok "$step_name version" "$step_version"
    else
      field FAILED "$step_name version" "$(tr '\n' ' ' <<<"$job_report")"
    fi
  done
}

# task_fields CONTAINER
task_fields() {
  local health
  if [ "$DOCKER_CHECK" = yes ]; then
    health=$(docker inspect --format '{{with .State.Health}}{{.Status}}{{else}}none{{end}}' "$1" 2>/dev/null) || health="gone"
    if [ "$health" = healthy ]; then field ok "Docker's health check" healthy; else field FAILED "Docker's health check" "$health, needs healthy"; fi
  fi
  [ -z "$PORT" ] || http_fields "$1"
}

# http_fields CONTAINER
http_fields() {
  local address body status
  address=$(docker inspect "$1" 2>/dev/null | jq -r --arg shared "$edge_networks" \
    '[.[0].NetworkSettings.Networks[]? | select(.NetworkID as $id | $shared | contains($id)) | .IPAddress][0] // empty')
  if [ -z "$address" ] || ! body=$(docker exec "$edge" curl -sS --max-time 5 -H 'X-Forwarded-Proto: https' -w '\n%{http_code}' "http://$address:$PORT$HEALTH_PATH" 2>&1); then
    field FAILED HTTP "no answer: $(head -n 1 <<<"${body:-it has no address on the edge\'s network}")"
    return
  fi
  status=${body##*$'\n'}
  body=${body%$'\n'*}
  case " $STATUSES " in
    *" $status "*) field ok "HTTP status" "$status" ;;
    *) field FAILED "HTTP status" "$status, needs ${STATUSES// / or }" ;;
  esac
  [ "$FIELDS" != '{}' ] || return 0
  # Slurped: nothing at all is no value, and no error either.
  jq -e --slurp 'length == 1 and (.[0] | type == "object")' >/dev/null 2>&1 <<<"$body" || { field FAILED "HTTP body" "$HEALTH_PATH did not return a JSON object"; return; }
  jq -r --argjson fields "$FIELDS" '
    def at($path): reduce ($path | split("."))[] as $step (.;
      if type == "object" then .[$step] elif type == "array" and ($step | test("^[0-9]+$")) then .[$step | tonumber] else null end);
    . as $body | $fields | to_entries[] | .key as $path | ($body | at($path)) as $found
    | if $found == .value then "ok      \($path): \(.value)"
      else "FAILED  \($path): \(if $found == null then "missing" else $found | tojson end), needs \(.value | tojson)" end' <<<"$body"
}

complaint=/run/lock/berth-$SLOT-complaint
trap 'rm -f "$complaint"' EXIT
deadline=$((SECONDS + GRACE_SECONDS + ATTEMPTS * INTERVAL_SECONDS))
seen=
of_task=
while [ "$SECONDS" -lt "$deadline" ]; do
  healthy=0
  found=
  for container in $(docker ps --quiet --filter "label=com.docker.swarm.service.name=$SLOT"); do
    of_task=$(task_fields "$container")
    if grep --quiet '^FAILED' <<<"$of_task"; then
      found=$of_task
    else
      healthy=$((healthy + 1))
    fi
  done
  database=$(database_fields)
  if [ "$healthy" -ge "$REPLICAS" ] && ! grep --quiet '^FAILED' <<<"$database"; then
    slot_note_gap
    exit 0
  fi
  # A task that starts again and again answers now and then: what it said last is what helps.
  [ -z "$found$of_task" ] || seen=${found:-$of_task}
  # During the grace period a start is watched closely, afterwards at the configured pace.
  if [ "$SECONDS" -lt $((deadline - ATTEMPTS * INTERVAL_SECONDS)) ]; then sleep 0.3; else sleep "$INTERVAL_SECONDS"; fi
done
old_slot="the old slot serves"
[ "${RELEASE_ORDER:-}" != stop-first ] || old_slot="the old slot starts again"
{
  printf '%s did not become healthy within %s s of grace and %s attempts of %s s: %s of %s tasks healthy. It takes no requests; %s.\n' \
    "$SLOT" "$GRACE_SECONDS" "$ATTEMPTS" "$INTERVAL_SECONDS" "$healthy" "$REPLICAS" "$old_slot"
  printf 'Field by field, as last seen:\n%s\n' "$(printf '%s\n%s\n' "$database" "${seen:-FAILED  task: none ever ran}" | sed '/^$/d; s/^/  /')"
  service_report "$SLOT"
} | redact >&2
exit 1
