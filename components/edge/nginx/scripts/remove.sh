# shellcheck shell=bash
# Takes a service's routes away. SERVICE is a parameter.
only_one edge 60
sudo rm -rf "$EDGE_DIRECTORY/upstreams/$SERVICE" "$EDGE_DIRECTORY"/{limits,checks}/"$SERVICE.conf"
sudo find "$EDGE_DIRECTORY/locations" -name "$SERVICE.conf" -delete 2>/dev/null || true
container=$(edge_container)
if [ -n "$container" ]; then
  edge_reload "$container"
  edge_drain
fi
