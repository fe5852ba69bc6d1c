#!/bin/sh
# Keeps the contract of the official registry image (github.com/distribution/distribution-library-image, entrypoint.sh): a configuration
# file or a command of the program for arguments.
set -e

case ${1:-} in
  *.yaml | *.yml) set -- registry serve "$@" ;;
  serve | garbage-collect | help | -*) set -- registry "$@" ;;
esac

exec "$@"
