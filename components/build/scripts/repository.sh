# shellcheck shell=bash disable=SC2153
# Makes a bare Git repository with the hook that builds what is pushed to it. DATA_VOLUME, DIRECTORY, BRANCH, BUILD_PATH, BUILD and HOOK
# (the scripts) are parameters.
mountpoint -q "$DATA_VOLUME" || fail "the data volume is not mounted at $DATA_VOLUME: nothing may write below it"
command -v git >/dev/null || install_packages git
sudo install -d -m 0755 "$(dirname "$DIRECTORY")"
sudo install -d -m 0700 -o "$(id -un)" -g "$(id -gn)" "$DIRECTORY"
[ -d "$DIRECTORY/objects" ] || git init --quiet --bare "$DIRECTORY" 2>/dev/null
git -C "$DIRECTORY" symbolic-ref HEAD "refs/heads/$BRANCH"
git -C "$DIRECTORY" config receive.denyDeletes true
git -C "$DIRECTORY" config receive.advertisePushOptions true
git -C "$DIRECTORY" config core.logAllRefUpdates true
sudo install -D -m 0755 /dev/stdin "$BUILD_PATH" <<<"$BUILD"
# Taken into use at once: a push that comes meanwhile meets the old one or the new one.
install -m 0755 /dev/stdin "$DIRECTORY/hooks/pre-receive.new" <<<"$HOOK"
mv "$DIRECTORY/hooks/pre-receive.new" "$DIRECTORY/hooks/pre-receive"
