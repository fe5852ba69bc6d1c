# shellcheck shell=bash disable=SC2154
# Waits until every task of a slot is healthy for Docker and answers as expected on the way that requests will take: from the
# edge's container over the shared network; and until the database answers with the schema that the slot's image expects. Runs
# after database.sh and golang-migrate.sh. SLOT, REPLICAS, PORT, HEALTH_PATH, EXPECT (JSON object of required fields),
# GRACE_SECONDS, ATTEMPTS and INTERVAL_SECONDS are parameters; DATABASE is empty when the service has none, FOLDER when it ships
# no migrations, SKIP is "yes" when a newer schema was acknowledged.
# One that was stopped because it was not well, or was gone back from, starts again.
slot_scale "$SLOT" "$REPLICAS"
edge=$(docker ps --quiet --filter label=berth.role=edge --filter status=running | head -n 1)
[ -n "$edge" ] || fail "the edge is not running, so nothing can be probed on its way"
edge_networks=$(docker inspect --format '{{range $id, $network := .NetworkSettings.Networks}}{{$network.NetworkID}} {{end}}' "$edge")
expected_schema=
if [ -n "$FOLDER" ]; then
  expected_schema=$(newest_version "$IMAGE")
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

# task_fields CONTAINER
task_fields() {
  local address health body status
  health=$(docker inspect --format '{{.State.Health.Status}}' "$1" 2>/dev/null) || health="gone"
  if [ "$health" = healthy ]; then field ok "Docker's health check" healthy; else field FAILED "Docker's health check" "$health, needs healthy"; fi
  address=$(docker inspect "$1" 2>/dev/null | jq -r --arg shared "$edge_networks" \
    '[.[0].NetworkSettings.Networks[]? | select(.NetworkID as $id | $shared | contains($id)) | .IPAddress][0] // empty')
  if [ -z "$address" ] || ! body=$(docker exec "$edge" curl -sS --max-time 5 -w '\n%{http_code}' "http://$address:$PORT$HEALTH_PATH" 2>&1); then
    field FAILED HTTP "no answer: $(head -n 1 <<<"${body:-it has no address on the edge\'s network}")"
    return
  fi
  status=${body##*$'\n'}
  body=${body%$'\n'*}
  if [ "$status" = 200 ]; then field ok "HTTP status" 200; else field FAILED "HTTP status" "$status, needs 200"; fi
  jq -e 'type == "object"' >/dev/null 2>&1 <<<"$body" || { field FAILED "JSON of $HEALTH_PATH" "is none"; return; }
  jq -r --argjson expect "$EXPECT" '. as $is | $expect | to_entries[] | if $is[.key] == .value then "ok      \(.key): \(.value)"
    else "FAILED  \(.key): \($is[.key] | tojson), needs \(.value | tojson)" end' <<<"$body"
}

complaint=/run/lock/berth-$SLOT-complaint
trap 'rm -f "$complaint"' EXIT
deadline=$((SECONDS + GRACE_SECONDS + ATTEMPTS * INTERVAL_SECONDS))
seen=
of_task=
while [ "$SECONDS" -lt "$deadline" ]; do
  well=0
  found=
  for container in $(docker ps --quiet --filter "label=com.docker.swarm.service.name=$SLOT"); do
    of_task=$(task_fields "$container")
    if grep --quiet '^FAILED' <<<"$of_task"; then
      found=$of_task
    else
      well=$((well + 1))
    fi
  done
  database=$(database_fields)
  if [ "$well" -ge "$REPLICAS" ] && ! grep --quiet '^FAILED' <<<"$database"; then exit 0; fi
  # A task that starts again and again answers now and then: what it said last is what helps.
  [ -z "$found$of_task" ] || seen=${found:-$of_task}
  # During the grace period a start is watched closely, afterwards at the configured pace.
  if [ "$SECONDS" -lt $((deadline - ATTEMPTS * INTERVAL_SECONDS)) ]; then sleep 0.3; else sleep "$INTERVAL_SECONDS"; fi
done
{
  printf '%s did not become healthy within %s s of grace and %s attempts of %s s: %s of %s tasks are well. It takes no requests; the old slot serves.\n' \
    "$SLOT" "$GRACE_SECONDS" "$ATTEMPTS" "$INTERVAL_SECONDS" "$well" "$REPLICAS"
  printf 'Field by field, as last seen:\n%s\n' "$(printf '%s\n%s\n' "$database" "${seen:-FAILED  HTTP: no task ever ran}" | sed '/^$/d; s/^/  /')"
  printf 'Its tasks:\n'
  docker service ps --no-trunc --format '  {{.CurrentState}}  {{.Error}}' "$SLOT" 2>&1 | head -n 5
  printf 'Last lines of its log:\n'
  timeout 10 docker service logs --raw --tail 20 "$SLOT" 2>&1 | sed 's/^/  /'
} | redact >&2
exit 1
