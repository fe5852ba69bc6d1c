# shellcheck shell=bash
# Takes a service's routes away. SERVICE is a parameter.
only_one edge 60
container=$(edge_container)
edge_forget "$SERVICE"
if [ -n "$container" ]; then
  edge_reload "$container"
  edge_drain
fi
