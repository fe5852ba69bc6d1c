# shellcheck shell=bash
# Waits until every task of a slot is healthy for Docker and answers as expected on the way that requests will take: from the
# edge's container over the shared network. SLOT, REPLICAS, PORT, HEALTH_PATH, EXPECT (JSON object of required fields),
# GRACE_SECONDS, ATTEMPTS and INTERVAL_SECONDS are parameters.
edge=$(docker ps --quiet --filter label=berth.role=edge --filter status=running | head -n 1)
[ -n "$edge" ] || fail "the edge is not running, so nothing can be probed on its way"
edge_networks=$(docker inspect --format '{{range $id, $network := .NetworkSettings.Networks}}{{$network.NetworkID}} {{end}}' "$edge")

# Addresses of the slot's healthy tasks on a network that the edge shares.
addresses() {
  local container
  for container in $(docker ps --quiet --filter "label=com.docker.swarm.service.name=$SLOT" --filter health=healthy); do
    docker inspect "$container" | jq -r --arg shared "$edge_networks" \
      '[.[0].NetworkSettings.Networks[] | select(.NetworkID as $id | $shared | contains($id)) | .IPAddress][0] // empty'
  done
}

# Says what is wrong with the answer of one task, field by field; nothing when all is well.
problems() {
  local body status
  body=$(docker exec "$edge" curl -sS --max-time 5 -w '\n%{http_code}' "http://$1:$PORT$HEALTH_PATH" 2>&1) ||
    { printf 'no answer: %s\n' "$body"; return; }
  status=${body##*$'\n'}
  body=${body%$'\n'*}
  jq -e . >/dev/null 2>&1 <<<"$body" || { printf 'HTTP %s, and no JSON\n' "$status"; return; }
  jq -r --argjson expect "$EXPECT" \
    '. as $is | $expect | to_entries[] | select($is[.key] != .value) | "\(.key): \($is[.key] | tojson), needs \(.value | tojson)"' <<<"$body"
  [ "$status" = 200 ] || printf 'HTTP %s, needs 200\n' "$status"
}

deadline=$((SECONDS + GRACE_SECONDS + ATTEMPTS * INTERVAL_SECONDS))
wrong="no task is healthy yet"
while [ "$SECONDS" -lt "$deadline" ]; do
  healthy=0
  found=
  for address in $(addresses); do
    found=$(problems "$address")
    [ -z "$found" ] || break
    healthy=$((healthy + 1))
  done
  if [ "$healthy" -ge "$REPLICAS" ]; then exit 0; fi
  wrong=${found:-"$healthy of $REPLICAS tasks are healthy"}
  # During the grace period a start is watched closely, afterwards at the configured pace.
  if [ "$SECONDS" -lt $((deadline - ATTEMPTS * INTERVAL_SECONDS)) ]; then sleep 0.3; else sleep "$INTERVAL_SECONDS"; fi
done
{
  printf '%s did not become healthy within %s s of grace and %s attempts of %s s. It takes no requests; the old slot serves.\n' \
    "$SLOT" "$GRACE_SECONDS" "$ATTEMPTS" "$INTERVAL_SECONDS"
  printf 'Last seen: %s\n' "$wrong"
  printf 'Its tasks:\n'
  docker service ps --no-trunc --format '  {{.CurrentState}}  {{.Error}}' "$SLOT" 2>&1 | head -n 5
  printf 'Last lines of its log:\n'
  timeout 10 docker service logs --raw --tail 20 "$SLOT" 2>&1 | sed 's/^/  /'
} | redact >&2
exit 1
