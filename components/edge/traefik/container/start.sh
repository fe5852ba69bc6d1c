#!/bin/sh
# Starts Traefik as the container's first process, so that it gets Docker's signals, and what sorts its log beside it. Without that
# Traefik could not write and would end, and Swarm starts both anew.
set -eu
directory=${0%/*}
pipe=/tmp/berth-log
rm -f "$pipe"
mkfifo "$pipe"
awk -f "$directory/log.awk" <"$pipe" &
exec traefik --configFile="$directory/traefik.yml" >"$pipe" 2>&1
