#!/bin/sh
# For images that read variables only: every file in /run/secrets becomes a variable of its name, then the image's own
# command takes this process' place. The values are in no specification, no image and no argument list.
set -eu
for file in /run/secrets/*; do
  [ -f "$file" ] || continue
  # The dot keeps line ends that belong to the value.
  value=$(cat "$file" && printf .)
  export "${file##*/}=${value%.}"
done
exec "$@"
