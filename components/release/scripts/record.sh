# shellcheck shell=bash disable=SC2016,SC2154 # The filters of jq are in single quotes; record.jq is $release_rules.
# Around every command of a release: keeps the deployment's record on the host. The command itself is the function `step`, and
# `release_run`, at the end, runs it:
#
#   release_begin ─► step ─► release_end ─► release_save (what `ops back` replays) ─► release_stop (slots that do not serve)
#
# RELEASE_SYSTEM, _SERVICE, _ENVIRONMENT, _IMAGE, _VERSION, _SLOT (empty before there is one), _STEP, _KEEP_MINUTES, _ACCEPTED ("yes"
# when this version may be released again after somebody went back from it), _ROUTES (the folder of the edge's routes, for a probe), _SAVES
# and the folders _RECORDS and _LOGS are parameters, DEPLOYED_BY comes with the command. Runs after slots.sh and record-slots.sh;
# record.jq says what is written when.
# Of a service that may not run twice, or that works without requests, there are more: _ORDER (stop-first), _STARTS ("yes": its switch
# starts the slot, so one that was not switched to is stopped) and _TASKS.
#
# A record that cannot be written (a full disk) never stops a release: what it is about is more important.
release_state=$RELEASE_RECORDS/$RELEASE_SERVICE.json
release_open=$RELEASE_RECORDS/$RELEASE_SERVICE.open.json
release_history=$RELEASE_RECORDS/$RELEASE_SERVICE.history.jsonl
release_slots=$RELEASE_RECORDS/$RELEASE_SERVICE.slots
release_kept_history=200
release_kept_logs=50

# One line of the deployment's log: note <DEBUG|INFO|WARN|ERROR|SUCCESS> <message>
note() {
  [ -n "$release_id" ] || return 0
  local level=$1 message
  shift
  message=$(printf '%s' "$*" | redact | LC_ALL=C tr -d '\000-\010\013-\037' | sed -z 's/\\/\\\\/g; s/"/\\"/g; s/\t/\\t/g; s/\n/\\n/g')
  printf '{"timestamp":"%s","level":"%s","step":"%s","message":"%s"}\n' "$(date -u +%Y-%m-%dT%H:%M:%S.%3NZ)" "$level" "$RELEASE_STEP" \
    "$message" 2>/dev/null >>"$RELEASE_LOGS/$release_id.log" || true
}

# Whoever reads the file, at any moment and after any crash, sees the old text or the new one.
release_write() {
  [ -n "$2" ] && printf '%s\n' "$2" >"$1.new" && sync "$1.new" && mv "$1.new" "$1"
}

# release_jq <functions of record.jq> [options of jq]: one line for each value.
release_jq() {
  local state open filter=$1
  shift
  state=$(cat "$release_state" 2>/dev/null) || state={}
  open=$(cat "$release_open" 2>/dev/null) || open={}
  jq --null-input --compact-output --raw-output --argjson state "$state" --argjson open "$open" --arg token "$release_token" \
    --arg system "$RELEASE_SYSTEM" --arg service "$RELEASE_SERVICE" --arg environment "$RELEASE_ENVIRONMENT" --arg image "$RELEASE_IMAGE" \
    --arg version "$RELEASE_VERSION" --arg slot "$RELEASE_SLOT" --arg step "$RELEASE_STEP" --argjson now "$(date +%s.%3N)" \
    --argjson keep_minutes "$RELEASE_KEEP_MINUTES" --arg accepted "${RELEASE_ACCEPTED:-no}" "$@" "$release_rules $filter"
}

# release_apply TRANSITION: what serves first, the open deployment last, so that a crash in between is continued.
release_apply() {
  local state line open
  [ -n "$1" ] || return 1
  { read -r state; read -r line; read -r open; } <<<"$1"
  [ "$state" = null ] || release_write "$release_state" "$state"
  [ "$line" = null ] || release_remember "$line"
  if [ "$open" = null ]; then rm -f "$release_open"; else release_write "$release_open" "$open"; fi
}

# Adds a line to the history, which is bounded; a deployment has one line.
release_remember() {
  local id=${1%%,*} lines
  lines=$(grep -v -F "${id#\{}," "$release_history" 2>/dev/null | tail -n $((release_kept_history - 1)) || true)
  release_write "$release_history" "${lines:+$lines$'\n'}$1"
}

# One command at a time works on the records of a service.
release_locked() {
  exec 8>"/run/lock/berth-records-$RELEASE_SERVICE"
  flock --wait 30 8 || return 1
  "$@" || true
  flock --unlock 8
}

release_begin() {
  local found transition commit
  sudo install -d -m 0755 "$(dirname "$RELEASE_LOGS")"
  sudo install -d -m 0700 -o "$(id -u)" -g "$(id -g)" "$RELEASE_RECORDS" "$release_slots" "$RELEASE_LOGS" || return 0
  transition=$(release_jq 'found, ($open.deployment_id // ""), refused, (begins(""; ""; "") | written)') || return 0
  { read -r found; read -r release_id; read -r release_refused; transition=$(cat); } <<<"$transition"
  case $found in
    none) release_id= ;;
    continue) note INFO begins ;;
    interrupt) note ERROR "was interrupted: another release of $RELEASE_SERVICE begins" ;;
  esac
  case $found in
    begin | interrupt)
      commit=$(release_commit)
      until release_id=$(date -u +%Y%m%d_%H%M%S)_${commit:0:7} && [ ! -e "$RELEASE_LOGS/$release_id.log" ]; do sleep 0.2; done
      note INFO "$RELEASE_SERVICE $RELEASE_VERSION ($RELEASE_IMAGE, commit $commit), deployed by ${DEPLOYED_BY:-unknown}"
      release_prune_logs
      transition=$(release_jq 'begins($id; $commit; $by) | written' --arg id "$release_id" --arg commit "$commit" --arg by "${DEPLOYED_BY:-unknown}")
      ;;
  esac
  release_apply "$transition"
}

# The commit of the image, unknown where it has no label or is not on the host.
release_commit() {
  local commit
  # The label is the image's word: nothing but letters and digits may become part of a file's name.
  commit=$(docker image inspect --format '{{index .Config.Labels "org.opencontainers.image.revision"}}' "$RELEASE_IMAGE" 2>/dev/null |
    tr -cd '[:alnum:]') || true
  printf %s "${commit:-unknown}"
}

release_prune_logs() {
  local log
  find "$RELEASE_LOGS" -maxdepth 1 -name '*.log' -printf '%f\n' | sort | head -n -"$release_kept_logs" |
    while IFS= read -r log; do rm -f "$RELEASE_LOGS/$log"; done
}

# release_end <status> <what the command said> <seconds>
release_end() {
  local status=$1 said=$2 seconds=$3 id=$release_id commit='' retained='' transition
  # A deployment that began before its image was on the host gets the commit when it is.
  if [[ $status -eq 0 && $release_id = *_unknown ]]; then
    commit=$(release_commit)
    [ "$commit" = unknown ] || [ -e "$RELEASE_LOGS/${release_id%unknown}${commit:0:7}.log" ] || id=${release_id%unknown}${commit:0:7}
  fi
  [ "$RELEASE_STEP" != switch ] || retained=$(slots_retained "$RELEASE_SERVICE") || retained=
  # The first line says what is wrong; everything is in the log.
  transition=$(release_jq 'ends($status; $error; $seconds; $schema; if $id == $known then {} else {deployment_id: $id, git_commit: $commit} end; $retained / "\n") | written' \
    --argjson status "$status" --arg error "$(head -n 1 <<<"$said" | cut -c 1-300)" --argjson seconds "$seconds" \
    --arg schema "$(cat "$release_schema")" --arg id "$id" --arg known "$release_id" --arg commit "$commit" --arg retained "$retained")
  if release_apply "$transition" && [ "$id" != "$release_id" ]; then
    mv "$RELEASE_LOGS/$release_id.log" "$RELEASE_LOGS/$id.log" && release_id=$id
  fi
  if [ "$status" -ne 0 ]; then
    note ERROR "failed after $seconds s: $said"
  else
    [ -z "$said" ] || note DEBUG "$said"
    note SUCCESS "done after $seconds s"
    [ -z "$transition" ] || release_serves "$transition"
  fi
}

release_run() {
  local began said seconds status=''
  release_id=
  release_refused=
  release_token=$$.$RANDOM
  release_locked release_begin || true
  began=$EPOCHREALTIME
  said=$(mktemp)
  # Where a command leaves the version of the schema that the release expects.
  release_schema=$(mktemp)
  # The host's deadline ends this whole group; what is on its way to the log still gets there.
  trap 'status=143' TERM
  set +e
  # A subshell: what the command arranges for its own end stays its own.
  (
    set -e
    trap - TERM
    # What somebody went back from does not get the requests again by an `up` that has something else to do.
    [ "$release_refused" != true ] ||
      fail "$RELEASE_SERVICE has gone back from $RELEASE_SLOT ($RELEASE_VERSION) to $(jq --raw-output '"\(.active_slot) (\(.version)) at \(.timestamp), by \(.deployed_by)"' "$release_state"); its routes stay there." \
        "Deploy another version. Or release this one again: npx pulumi config set --path $RELEASE_SYSTEM:${RELEASE_SERVICE#*_}.releaseAgain $RELEASE_VERSION." \
        "Or, while the slot that was left stays, return to that: npm run ops -- back $RELEASE_SYSTEM"
    step
  ) 2>"$said"
  status=${status:-$?}
  [ "$status" -ne 143 ] || echo "ended by its deadline" >>"$said"
  set -e
  cat "$said" >&2
  seconds=$(awk -v from="$began" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.1f", to - from }')
  [ -z "$release_id" ] || release_locked release_end "$status" "$(redact <"$said")" "$seconds" || true
  if [ "$status" -eq 0 ]; then
    case $RELEASE_STEP in switch | back) release_locked release_save ;; esac
  fi
  release_stop "$status" || true
  rm -f "$said" "$release_schema"
  return "$status"
}
