# shellcheck shell=bash
# Sends a service's routes to a slot: first they are loaded on the edge's own port, where nobody but this script asks, and the slot must be reached by them;
# then they take the place of those to the old slot, which goes when nothing is open to its tasks any more. Each service's routes are one
# file, replaced as a whole: wherever this is interrupted, the edge can start from what lies there, and the next switch goes on.
# SERVICE, SLOT, ROUTES, CHECKS and CHECK_PATHS are parameters; see traefik.ts.
only_one edge 60
directory=$EDGE_DIRECTORY/dynamic
container=$(edge_container)
[ -n "$container" ] || fail "the edge is not running: docker service ls --filter label=berth.resource=edge_traefik"
own="^(check_)?${SERVICE}_"
backup=$(sudo mktemp /var/lib/berth/edge-backup.XXXXXX)
trap 'sudo rm -f "$backup"' EXIT
sudo cp -a "$directory/$SERVICE.yml" "$backup" 2>/dev/null || true
before=$(sudo cat "$backup")

put_back() {
  sudo rm -f "$directory/$SERVICE.check.yml"
  if [ -n "$before" ]; then
    sudo cp -a "$backup" "$directory/$SERVICE.yml.new"
    sudo mv "$directory/$SERVICE.yml.new" "$directory/$SERVICE.yml"
  else
    sudo rm -f "$directory/$SERVICE.yml"
  fi
  edge_again "$container"
  fail "the routes of $SERVICE stay where they were"
}

# Says what is in the way.
unreached() {
  local path status
  while IFS= read -r path; do
    status=$(edge_ask "$container" --output /dev/null --write-out '%{http_code}' "http://127.0.0.1:$CHECK_PORT$path") || status="no answer"
    case $status in "no answer" | 502 | 504) printf '%s: %s ' "$path" "$status" ;; esac
  done <<<"$CHECK_PATHS"
}

edge_write "$directory/$SERVICE.check.yml" "$CHECKS"
edge_reload "$container" "$own" || put_back
for _ in $(seq 50); do
  wrong=$(unreached)
  [ -n "$wrong" ] || break
  sleep 0.2
done
if [ -n "$wrong" ]; then
  printf 'the edge does not reach the new slot: %s\n' "$wrong" | redact >&2
  put_back
fi

# The slots that the requests went to.
old_tasks=()
replaced=$(grep -oE '"(http|h2c)://[^:"]+' <<<"$before" | sed 's#.*//##' | sort -u | grep -vxF "${SLOT:?}") || replaced=
for other in $replaced; do
  mapfile -t -O "${#old_tasks[@]}" old_tasks < <(service_containers "$other")
done
edge_follow "$container" "${old_tasks[@]}"

edge_write "$directory/$SERVICE.yml" "$ROUTES"
sudo rm -f "$directory/$SERVICE.check.yml"
mapfile -t tasks < <(service_containers "$SLOT")
edge_reload "$container" "$own" || put_back
note INFO "the routes of $SERVICE lead to $SLOT"
if [ -n "$replaced" ]; then
  survives_first_requests "${replaced//$'\n'/ }" "${tasks[@]}" || put_back
fi
edge_drain
