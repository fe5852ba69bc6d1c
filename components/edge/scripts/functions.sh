# shellcheck shell=bash
# What the scripts of every kind of edge use. EDGE_DIRECTORY, EDGE_KIND (of this edge) and EDGE_KINDS (all, one a line) are parameters.

# The running container of this kind.
edge_container() {
  docker ps --quiet --filter label=berth.role=edge --filter status=running --filter "name=edge_$EDGE_KIND-" | head -n 1
}

edge_services() {
  docker service ls --filter "label=berth.resource=edge_$1" --format '{{.Name}}'
}

# A whole file at a time: the edge may restart or read at any moment and must never see half of one.
edge_write() {
  sudo tee "$1.new" >/dev/null <<<"$2"
  sudo mv "$1.new" "$1"
}

# Takes a service's routes away, whatever kind of edge they were written for.
edge_forget() {
  sudo rm -rf "$EDGE_DIRECTORY/upstreams/$1" "$EDGE_DIRECTORY"/{limits,checks}/"$1.conf" "$EDGE_DIRECTORY/dynamic/$1.yml" \
    "$EDGE_DIRECTORY/dynamic/$1.check.yml"
  sudo find "$EDGE_DIRECTORY/locations" -name "$1.conf" -delete 2>/dev/null || true
}
