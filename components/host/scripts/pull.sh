# shellcheck shell=bash disable=SC2154
# Pulls an image with the login that the deploy user has for its registry, over Docker's API, which says how many bytes have come.
# IMAGE, SERVER (the registry as Docker's file of logins names it), DEADLINE_SECONDS, STALLED_SECONDS and WAY_IN (what to do when the
# registry refuses) are parameters.

platform=$(docker version --format '{{.Server.Os}}/{{.Server.Arch}}')

# refuse_platform PLATFORMS, one a line, as in linux/arm64; an image that does not say is let through.
refuse_platform() {
  [ -z "$1" ] || grep --quiet --line-regexp --fixed-strings "$platform" <<<"$1" ||
    fail "$IMAGE is built for $(paste --serial --delimiters , <<<"$1"), and the server is $platform. Nothing was pulled or changed. Build it for the server, as in: docker buildx build --platform $platform"
}

# What the registry's manifest and the image's configuration say; a reason why it cannot be read is the pull's to say.
manifest_platforms() {
  timeout --kill-after=5 30 docker manifest inspect --verbose "$IMAGE" 2>/dev/null |
    jq --raw-output '[.. | objects | .platform? // empty | select(.os != "unknown") | "\(.os)/\(.architecture)"] | unique[]' 2>/dev/null || true
}

# The login as curl's configuration: neither an argument nor a variable of a process.
registry_login() {
  # shellcheck disable=SC2016 # jq's variables.
  jq --raw-output --arg server "$SERVER" '.auths[$server].auth // empty | @base64d | capture("^(?<username>[^:]*):(?<password>.*)$")
    | . + {serveraddress: $server} | @json | @base64 | gsub("\\+"; "-") | gsub("/"; "_") | "header = \"X-Registry-Auth: \(.)\""' \
    "$HOME/.docker/config.json" 2>/dev/null || true
}

# Docker's progress as lines: bytes downloaded, all that moved (what was unpacked too), error. Of an error nothing else follows.
# shellcheck disable=SC2016 # jq's variables.
pull_progress='foreach inputs as $it ({};
  .error = ($it.error // $it.message)
  | if $it.progressDetail.current then .[$it.status][$it.id] = $it.progressDetail.current else . end;
  "\([.Downloading[]?] | add // 0) \([.Downloading[]?, .Extracting[]?] | add // 0) \(.error // "" | gsub("\n"; " "))")'

pull_image() {
  local name=${IMAGE%@*} tag=${IMAGE#*@} now='' seen='' error='' status bytes=0
  local began=$SECONDS changed=$SECONDS told=$SECONDS
  if [ "$name" = "$tag" ]; then
    name=${IMAGE%:*} tag=${IMAGE##*:}
  fi
  folder=$(mktemp --directory)
  mkfifo "$folder/events"
  pulling=
  trap 'kill $pulling 2>/dev/null || true; rm -rf "$folder"' EXIT
  curl --silent --show-error --no-buffer --config <(registry_login) --unix-socket /var/run/docker.sock \
    --request POST "http://docker/images/create?fromImage=$name&tag=$tag" >"$folder/events" 2>"$folder/complaint" &
  pulling=$!
  exec 7< <(jq --null-input --raw-output --unbuffered "$pull_progress" "$folder/events" 2>/dev/null)
  while :; do
    status=0
    IFS= read -r -t 2 now <&7 || status=$?
    if [ "$status" -eq 0 ]; then
      [ "$now" = "$seen" ] || changed=$SECONDS
      seen=$now
      read -r bytes _ error <<<"$now"
    elif [ "$status" -le 128 ]; then
      break
    fi
    [ $((SECONDS - changed)) -lt "$STALLED_SECONDS" ] ||
      fail "the pull of $IMAGE stalled: nothing has come for $STALLED_SECONDS s, after $(pulled). Nothing was changed. See whether the registry can be reached from the host; more patience is berth:pulls.stalledSeconds"
    [ $((SECONDS - began)) -lt "$DEADLINE_SECONDS" ] ||
      fail "the pull of $IMAGE is not done after $DEADLINE_SECONDS s: $(pulled). Nothing was changed. More time is berth:pulls.deadlineSeconds"
    if [ $((SECONDS - told)) -ge 15 ]; then
      told=$SECONDS
      note INFO "pulling: $(pulled)"
    fi
  done
  exec 7<&-
  case $error in
    '') docker image inspect "$IMAGE" >/dev/null 2>&1 || fail "Docker ended the pull of $IMAGE after $(pulled): $(tail -n 1 "$folder/complaint")" ;;
    *unauthorized* | *denied* | *"no basic auth"* | *" 401"* | *" 403"* | *orbidden*) fail "${IMAGE%%/*} refuses the pull of $IMAGE: $error. Nothing was changed. $WAY_IN" ;;
    *) fail "cannot pull $IMAGE: $error. Nothing was changed" ;;
  esac
  rm -rf "$folder"
  trap - EXIT
  note INFO "pulled: $(pulled)"
}

# How far a pull has come.
pulled() {
  echo "$((bytes / 1048576)) MiB in $((SECONDS - began)) s"
}

# What is there by its digest is there for good.
if [[ $IMAGE != *@* ]] || ! docker image inspect "$IMAGE" >/dev/null 2>&1; then
  refuse_platform "$(manifest_platforms)"
  pull_image
fi
refuse_platform "$(docker image inspect --format '{{.Os}}/{{.Architecture}}' "$IMAGE")"
