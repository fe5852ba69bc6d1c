# shellcheck shell=bash
# Makes the folders of a stateful service. DATA_VOLUME, DATA_DIRECTORY and SOCKET_DIRECTORY are parameters.
mountpoint -q "$DATA_VOLUME" || fail "the data volume is not mounted at $DATA_VOLUME: nothing may write below it"
# The image's own entry point hands both to the user that it runs as.
[ -d "$DATA_DIRECTORY" ] || sudo install -d -m 0755 "$DATA_DIRECTORY"
[ -d "$SOCKET_DIRECTORY" ] || sudo install -d -m 0755 "$SOCKET_DIRECTORY"
