# shellcheck shell=bash
# Sends a service's routes to a slot, in three reloads: first the slot's upstream is there and nginx finds its addresses, while
# the routes still lead to the old slot; then the routes, the old slot standing by; then the old slot's upstream goes. An
# upstream that is not resolved yet answers 502.
# Each slot's upstream is a file of its own, and those of other slots go when no route leads to them any more: wherever this
# is interrupted, the edge can start from what lies there, and the next switch goes on.
# SERVICE, SLOT, WATCH_SECONDS, UPSTREAM, LIMITS, CHECKS, CHECK_PATHS, DOMAINS and LOCATIONS_<n> are parameters; see nginx.ts.
only_one edge 60
directory=$EDGE_DIRECTORY
container=$(edge_container)
[ -n "$container" ] || fail "the edge is not running: docker service ls --filter label=berth.resource=edge_nginx"

folders=(upstreams limits checks locations)
backup=$(sudo mktemp -d /var/lib/berth/edge-backup.XXXXXX)
trap 'sudo rm -rf "$backup"' EXIT
sudo cp -a "${folders[@]/#/$directory/}" "$backup/"
put_back() {
  sudo rm -rf "${folders[@]/#/$directory/}"
  sudo cp -a "${folders[@]/#/$backup/}" "$directory/"
  edge_again "$container"
  fail "the routes of $SERVICE stay where they were"
}

resolved() {
  local path status
  while IFS= read -r path; do
    status=$(docker exec "$container" curl -s -o /dev/null -w '%{http_code}' --max-time 8 "http://127.0.0.1:$CHECK_PORT$path") || return 1
    case $status in 502 | 504) return 1 ;; esac
  done <<<"$CHECK_PATHS"
}

# The slot that takes the requests now, where it is another one.
upstreams=$directory/upstreams/$SERVICE
sudo mkdir -p "$upstreams"
replaced=
while IFS= read -r file; do
  other=$(basename "$file" .conf)
  if [ "$other" != "$SLOT" ] && sudo grep -rqsF --include="$SERVICE.conf" "http://${other}_" "$directory/locations"; then
    replaced=$other
  fi
done < <(sudo find "$upstreams" -name '*.conf')

# What the new slot does not answer while it proves itself goes to the one that it replaces.
standing_by=$UPSTREAM
[ -z "$replaced" ] || standing_by=$(sed -E "s/^( *server )$SLOT(:[0-9]+ [^;]*);/&\\n\\1$replaced\\2 backup;/" <<<"$UPSTREAM")

if ! sudo grep -rqsF --include="$SERVICE.conf" "http://${SLOT}_" "$directory/locations"; then
  edge_write "$upstreams/$SLOT.conf" "$standing_by"
  edge_write "$directory/checks/$SERVICE.conf" "$CHECKS"
  edge_reload "$container" || put_back
  reached=
  for _ in $(seq 50); do
    if resolved; then
      reached=yes
      break
    fi
    sleep 0.2
  done
  if [ -z "$reached" ]; then
    printf 'the edge does not reach the new slot: %s\n' "$(docker logs --tail 5 "$container" 2>&1 | grep -F '[error]')" | redact >&2
    put_back
  fi
fi
edge_write "$upstreams/$SLOT.conf" "$standing_by"

edge_write "$directory/limits/$SERVICE.conf" "$LIMITS"
index=0
while IFS= read -r domain; do
  [ -n "$domain" ] || continue
  variable=LOCATIONS_$index
  sudo mkdir -p "$directory/locations/$domain"
  edge_write "$directory/locations/$domain/$SERVICE.conf" "${!variable}"
  index=$((index + 1))
done <<<"$DOMAINS"
while IFS= read -r file; do
  grep -qxF "$(basename "$(dirname "$file")")" <<<"$DOMAINS" || sudo rm -f "$file"
done < <(sudo find "$directory/locations" -name "$SERVICE.conf")
sudo rm -f "$directory/checks/$SERVICE.conf"
mapfile -t tasks < <(service_containers "$SLOT")
edge_reload "$container" || put_back
note INFO "the routes of $SERVICE lead to $SLOT"
if [ -n "$replaced" ]; then
  survives_first_requests "$replaced" "${tasks[@]}" || put_back
fi
edge_drain || put_back
edge_write "$upstreams/$SLOT.conf" "$UPSTREAM"
sudo find "$upstreams" -type f ! -name "$SLOT.conf" -delete
edge_reload "$container" || put_back
