# shellcheck shell=bash
# Makes the folder of a service's data on the volume. DATA_VOLUME, DATA_DIRECTORY and SERVICE are parameters.
mountpoint -q "$DATA_VOLUME" || fail "the data volume is not mounted at $DATA_VOLUME: nothing may write below it"
# The image's own entry point hands it to the user that it runs as.
[ -d "$DATA_DIRECTORY" ] || sudo install -d -m 0755 "$DATA_DIRECTORY"
