# shellcheck shell=bash
# Sends a service's routes to a slot, in two reloads: first the slot's upstream is there and nginx finds its addresses, while
# the routes still lead to the old slot; then the routes. An upstream that is not resolved yet answers 502.
# Each slot's upstream is a file of its own, and those of other slots go when no route leads to them any more: wherever this
# is interrupted, the edge can start from what lies there, and the next switch goes on.
# SERVICE, SLOT, UPSTREAM, LIMITS, CHECKS, CHECK_PATHS, DOMAINS and LOCATIONS_<n> are parameters; see nginx.ts.
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
  # The old configuration was good a moment ago; the edge takes it again in case some workers saw the new one.
  docker exec "$container" nginx -s reload -c "$CONTAINER_DIRECTORY/nginx.conf" 2>/dev/null || true
  fail "the routes of $SERVICE stay where they were"
}

# A whole file at a time: the edge may restart at any moment and must never read half of one.
write() {
  sudo tee "$1.new" >/dev/null <<<"$2"
  sudo mv "$1.new" "$1"
}

resolved() {
  local path status
  while IFS= read -r path; do
    status=$(docker exec "$container" curl -s -o /dev/null -w '%{http_code}' --max-time 8 "http://127.0.0.1:$CHECK_PORT$path") || return 1
    case $status in 502 | 504) return 1 ;; esac
  done <<<"$CHECK_PATHS"
}

upstreams=$directory/upstreams/$SERVICE
sudo mkdir -p "$upstreams"
if ! sudo grep -rqsF --include="$SERVICE.conf" "http://${SLOT}_" "$directory/locations"; then
  write "$upstreams/$SLOT.conf" "$UPSTREAM"
  write "$directory/checks/$SERVICE.conf" "$CHECKS"
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
write "$upstreams/$SLOT.conf" "$UPSTREAM"

write "$directory/limits/$SERVICE.conf" "$LIMITS"
index=0
while IFS= read -r domain; do
  [ -n "$domain" ] || continue
  variable=LOCATIONS_$index
  sudo mkdir -p "$directory/locations/$domain"
  write "$directory/locations/$domain/$SERVICE.conf" "${!variable}"
  index=$((index + 1))
done <<<"$DOMAINS"
while IFS= read -r file; do
  grep -qxF "$(basename "$(dirname "$file")")" <<<"$DOMAINS" || sudo rm -f "$file"
done < <(sudo find "$directory/locations" -name "$SERVICE.conf")
sudo rm -f "$directory/checks/$SERVICE.conf"
sudo find "$upstreams" -type f ! -name "$SLOT.conf" -delete
{ edge_reload "$container" && note INFO "the routes of $SERVICE lead to $SLOT" && edge_drain; } || put_back
