# shellcheck shell=bash disable=SC2153
# build <commit>: has the image of a commit in the registry and prints its digest on standard output, everything else on standard error.
# Builds it when the registry does not have it. NAME, DIRECTORY, REPOSITORY, DOCKERFILE, CONTEXT, ARGUMENTS (NAME=value, one a line),
# MEMORY_MEBIBYTES, CPU_MICROSECONDS (of each 100,000) and DEADLINE_SECONDS are parameters.
commit=${1:-}
[[ $commit =~ ^[0-9a-f]{40}$ ]] || fail "\"$commit\" is not a commit; use its 40 hex digits"
# As git describe writes it: a letter first, so that no file takes it for a number.
version=g${commit:0:12}
image=$REPOSITORY:$version
exec 9>"/run/lock/berth-build-$NAME"
flock --nonblock 9 || {
  echo "another push of $NAME is being built; waiting for it" >&2
  flock --wait "$DEADLINE_SECONDS" 9 || fail "another push of $NAME is still being built after $DEADLINE_SECONDS seconds. Nothing was changed; push again"
}

digest() {
  docker image inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$image" 2>/dev/null |
    sed -n "s#^$REPOSITORY@##p" | head -n 1
}

if said=$(docker pull --quiet "$image" 2>&1); then
  echo "the registry has $image already" >&2
  digest
  exit 0
fi
case $said in
  *"manifest unknown"* | *"not found"* | *"name unknown"*) ;;
  *) fail "$REPOSITORY cannot be asked for $version: $(tail -n 1 <<<"$said"). Nothing was built" ;;
esac

folder=$(mktemp --directory "/var/tmp/berth-build-$NAME.XXXXXX")
trap 'rm -rf "$folder"' EXIT
git -C "$DIRECTORY" archive "$commit" | tar --extract --directory "$folder" || fail "commit $commit is not in $DIRECTORY"
[ -f "$folder/$DOCKERFILE" ] || fail "commit ${commit:0:12} has no $DOCKERFILE (berth:builds.$NAME.dockerfile). Nothing was built"
[ -d "$folder/$CONTEXT" ] || fail "commit ${commit:0:12} has no folder $CONTEXT (berth:builds.$NAME.context). Nothing was built"
created=$(git -C "$DIRECTORY" show --no-patch --format=%cI "$commit")
words=()
while IFS= read -r argument; do
  [ -z "$argument" ] || words+=(--build-arg "$argument")
done <<<"$ARGUMENTS"
for pair in "VERSION version $version" "REVISION revision $commit" "CREATED created $created"; do
  read -r argument label value <<<"$pair"
  words+=(--build-arg "$argument=$value" --label "org.opencontainers.image.$label=$value")
done
echo "building $image" >&2
began=$SECONDS status=0
# BuildKit takes no limit of a build (docker/cli, build_buildkit.go: --memory and --cpu-quota are the classic builder's).
DOCKER_BUILDKIT=0 timeout --kill-after=10 "$DEADLINE_SECONDS" docker build --force-rm --memory "${MEMORY_MEBIBYTES}m" --memory-swap "${MEMORY_MEBIBYTES}m" \
  --cpu-period 100000 --cpu-quota "$CPU_MICROSECONDS" "${words[@]}" --tag "$image" --file "$folder/$DOCKERFILE" "$folder/$CONTEXT" >&2 2>&1 || status=$?
case $status in
  0) ;;
  124 | 137) fail "the build of ${commit:0:12} is not done after $DEADLINE_SECONDS seconds (berth:builds.$NAME.deadlineMinutes), and so it was ended. Nothing was changed" ;;
  *) fail "the build of ${commit:0:12} failed, as said above. Nothing was changed" ;;
esac
echo "built in $((SECONDS - began)) s; pushing" >&2
said=$(timeout --kill-after=10 "$DEADLINE_SECONDS" docker push "$image" 2>&1) || fail "$image was built, but cannot be pushed: $(tail -n 1 <<<"$said"). Nothing was changed"
digest
