# shellcheck shell=bash disable=SC2154
# Checks an image against what the service asks of it, before anything is changed, and names everything that is missing at once.
# Nothing of the image is run, so it works for one that has nothing but a program. Runs after pull.sh. SERVICE, NEEDS (lines of kind,
# name and reason, separated by tabs; a kind is program or folder), ALLOW_ROOT ("yes" when the image may run as root) and
# ACKNOWLEDGE_ROOT (the command that says so) are parameters, beside IMAGE.

config=$(docker image inspect --format '{{json .Config}}' "$IMAGE")
container=$(docker create --network none "$IMAGE" true 2>&1 | tail -n 1) || fail "Docker makes no container of $IMAGE: $container"
trap 'docker rm "$container" >/dev/null 2>&1 || true' EXIT
search=$(jq --raw-output '[.Env[]? | select(startswith("PATH="))][0] // "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" | .[5:]' <<<"$config")

# mode_of PATH: what the path leads to in the image, as Go writes a file's mode; nothing where it leads nowhere.
mode_of() {
  local path=$1 facts mode
  for _ in 1 2 3 4 5; do
    facts=$(curl --silent --fail --head --get --max-time 30 --unix-socket /var/run/docker.sock --data-urlencode "path=$path" \
      "http://docker/containers/$container/archive" | sed -nE 's/^X-Docker-Container-Path-Stat: *([A-Za-z0-9+/=]+).*/\1/Ip' | base64 --decode)
    [ -n "$facts" ] || return 0
    mode=$(jq .mode <<<"$facts")
    # A symbolic link.
    if ((!(mode & 0x08000000))); then
      echo "$mode"
      return 0
    fi
    path=$(jq --raw-output .linkTarget <<<"$facts")
  done
}

# has program|folder NAME
has() {
  local kind=$1 name=$2 folder mode places=()
  case $name in
    /*) places=("$name") ;;
    */*) places=("$(jq --raw-output '.WorkingDir // ""' <<<"$config")/$name") ;;
    *)
      while IFS= read -r -d : folder; do places+=("$folder/$name"); done <<<"$search:"
      ;;
  esac
  for folder in "${places[@]}"; do
    mode=$(mode_of "$folder")
    [ -n "$mode" ] || continue
    if [ "$kind" = folder ]; then
      ((!(mode & 0x80000000))) || return 0
    elif ((!(mode & 0x80000000) && (mode & 0111))); then
      return 0
    fi
  done
  return 1
}

lacks=
while IFS=$'\t' read -r kind name reason; do
  [ -n "$kind" ] || continue
  where=
  [[ $kind = folder || $name = */* ]] || where=", nowhere in its PATH ($search)"
  has "$kind" "$name" || lacks+=$'\n'"  - the $kind $name$where: $reason"
done <<<"$NEEDS"
user=$(jq --raw-output '.User // ""' <<<"$config")
[[ $ALLOW_ROOT = yes || ! ${user%%:*} =~ ^(|root|0+)$ ]] ||
  lacks+=$'\n'"  - a user other than root: its processes would run as root. Give it one (USER in its Dockerfile), or acknowledge it: $ACKNOWLEDGE_ROOT"
[ -z "$lacks" ] || fail "$IMAGE cannot be $SERVICE. Nothing was changed. It lacks:$lacks
What an image must keep: docs/images.md"
note INFO "the image has what $SERVICE needs"
