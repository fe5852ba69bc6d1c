#!/bin/sh
# Keeps the contract of the official redis image (github.com/redis/docker-library-redis): options or a configuration file for arguments,
# root at the door and redis inside, the working folder handed to it, files for nobody else, no protected mode.
set -e

case ${1:-} in
  -* | *.conf) set -- redis-server "$@" ;;
esac

if [ "${1:-}" = redis-server ]; then
  if [ "$(id -u)" = 0 ]; then
    find . ! -user redis -exec chown redis '{}' +
    exec setpriv --reuid=redis --regid=redis --clear-groups "$0" "$@"
  fi
  [ "$(umask)" != 0022 ] || umask 0077
  case " $* " in
    *" --protected-mode "*) ;;
    *) set -- "$@" --protected-mode no ;;
  esac
fi

exec "$@"
