#!/bin/sh
# As in the official image: options and subcommands are Traefik's, anything else is run as it is.
set -e

if [ "${1#-}" != "$1" ]; then
  set -- traefik "$@"
fi
if traefik "$1" --help >/dev/null 2>&1; then
  set -- traefik "$@"
fi

exec "$@"
