# shellcheck shell=bash disable=SC2153
# Writes who may use a registry, as htpasswd has it, a whole file at a time: it reads the file again when that has changed.
# USERS_DIRECTORY and LOGIN_USER are parameters, HASH is secret.
sudo install -d -m 0700 "$USERS_DIRECTORY"
sudo install -m 0400 /dev/stdin "$USERS_DIRECTORY/users.new" <<<"$LOGIN_USER:$HASH"
sudo mv "$USERS_DIRECTORY/users.new" "$USERS_DIRECTORY/users"
