# shellcheck shell=bash disable=SC2016 # The filters of jq are in single quotes.
# Around every command of a release: keeps the deployment's record on the host. The command itself is the function `step`, and
# `release_run`, at the end, runs it:
#
#   release_begin ─► step ─► release_end ─► release_save (what `ops back` replays) ─► release_stop (slots that do not serve)
#
# RELEASE_SYSTEM, _SERVICE, _ENVIRONMENT, _IMAGE, _VERSION, _SLOT (empty before there is one), _STEP, _KEEP_MINUTES, _ACCEPTED ("yes"
# when this version may be released again after somebody went back from it), _SAVES and the folders _RECORDS and _LOGS are
# parameters, DEPLOYED_BY comes with the command.
#
# A record that cannot be written (a full disk) never stops a release: what it is about is more important.

# The rules, as functions of jq. $state is what serves, $open the deployment that has begun and not ended; both are {} when there is
# none. The other variables are the parameters of the command. The first command of a release begins a deployment, the following ones
# of the same release continue it, the switch ends it; a command that fails ends it too:
#
#   (none) ─begin─► open ─continue─► open ─┬─ switch ─► success      open ─ a command fails ─► failed
#                                          └─ ops back ─► back       open ─ another release begins ─► interrupted
release_rules='
def serves: $state.image == $image and $state.version == $version;
def mine: $open.image == $image and $open.version == $version and ($open.slot == $slot or $open.slot == "" or $slot == "");

# What a command does to the record when it begins. What serves already is probed or switched to again when its scale or its routes
# change: no deployment, unless one has not ended.
def decision:
  if serves and $state.active_slot == $slot and ($open.tentative or (mine | not)) then "none"
  elif mine then "continue"
  elif $open.deployment_id == null or $open.tentative then "begin"
  else "interrupt" end;

# Snapshot and migration of what serves (a changed setting of theirs) are a deployment only if a new slot follows.
def tentative: serves and $slot == "";

# Somebody went back from this slot, or from every slot of this image: it does not get the requests again by itself.
def refused:
  $accepted != "yes" and ($step == "probe" or $step == "switch") and $state.outcome == "back" and $state.active_slot != $slot
  and ($state.previous_slot == $slot or $state.refused_image == $image);

def begun($id; $commit; $by; $tentative):
  {deployment_id: $id, $environment, $service, $version, git_commit: $commit, timestamp: ($now | floor | todate), deployed_by: $by,
   $image, $slot, schema_version: null, began: $now, $tentative, $token, steps: {}};
def continued: $open | (if $slot == "" then . else .slot = $slot | .tentative = false end) | .token = $token;

# The open deployment, unless another run has taken it over while this command still worked.
def own: $open | select(.token == $token);
def named($id; $commit): own | .deployment_id = $id | .git_commit = $commit;
def with_step($seconds; $schema): own | .steps[$step] = $seconds | .schema_version = (($schema | tonumber?) // .schema_version);

# Line of the history: what is open, as it ended.
def line($outcome):
  $open | {deployment_id, environment, service, version, git_commit, timestamp, deployed_by, image, slot, schema_version,
           duration_seconds: (($now - .began) * 10 | round / 10), steps, $outcome};

# The slot that served before this one.
def before: if $state.active_slot == $slot then $state.previous_slot else $state.active_slot end // "";
# Whether there is a reason to go back to it: after going back, the same version deployed again takes its place.
def worth_keeping: $step == "switch" and (($state.outcome == "back" and $state.image == $image) | not);

# The new state. What is gone back from is refused until the configuration says otherwise; of one image, only its slot is.
def served($outcome; $previous; $until):
  line($outcome) | {deployment_id, environment, $system, service, active_slot: $slot, version, git_commit, timestamp, deployed_by,
    schema_version, previous_slot: (if $previous == "" then null else $previous end), previous_slot_until: $until,
    duration_seconds, image, steps, outcome,
    refused_image: (if $outcome == "back" and $state.image != $image then $state.image else null end)};
'

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

# release_jq <functions of the rules> [options of jq]: one line for each value.
release_jq() {
  local state open filter=$1
  shift
  state=$(cat "$release_state" 2>/dev/null) || state={}
  open=$(cat "$release_open" 2>/dev/null) || open={}
  jq --null-input --compact-output --raw-output --argjson state "$state" --argjson open "$open" --arg token "$release_token" \
    --arg system "$RELEASE_SYSTEM" --arg service "$RELEASE_SERVICE" --arg environment "$RELEASE_ENVIRONMENT" --arg image "$RELEASE_IMAGE" \
    --arg version "$RELEASE_VERSION" --arg slot "$RELEASE_SLOT" --arg step "$RELEASE_STEP" --argjson now "$(date +%s.%3N)" \
    --arg accepted "${RELEASE_ACCEPTED:-no}" "$@" "$release_rules $filter"
}

# One command at a time works on the records of a service.
release_locked() {
  exec 8>"/run/lock/berth-records-$RELEASE_SERVICE"
  flock --wait 30 8 || return 1
  "$@" || true
  flock --unlock 8
}

release_begin() {
  local decision
  sudo install -d -m 0755 "$(dirname "$RELEASE_LOGS")"
  sudo install -d -m 0700 -o "$(id -u)" -g "$(id -g)" "$RELEASE_RECORDS" "$release_slots" "$RELEASE_LOGS" || return 0
  decision=$(release_jq 'decision, tentative, ($open.deployment_id // ""), refused, continued') || return 0
  {
    read -r decision
    read -r release_tentative
    read -r release_id
    read -r release_refused
    read -r open
  } <<<"$decision"
  case $decision in
    none)
      release_id=
      rm -f "$release_open"
      return 0
      ;;
    continue) note INFO begins ;;
    interrupt)
      note ERROR "was interrupted: another release of $RELEASE_SERVICE begins"
      release_remember "$(release_jq 'line("interrupted") + {error: "its run ended before it did"}')" && rm -f "$release_open"
      release_new
      ;;
    begin) release_new ;;
  esac
  release_write "$release_open" "$open"
}

# The commit of the image, unknown where it has no label or is not on the host.
release_commit() {
  local commit
  # The label is the image's word: nothing but letters and digits may become part of a file's name.
  commit=$(docker image inspect --format '{{index .Config.Labels "org.opencontainers.image.revision"}}' "$RELEASE_IMAGE" 2>/dev/null |
    tr -cd '[:alnum:]') || true
  printf %s "${commit:-unknown}"
}

# A deployment that began before its image was on the host gets the commit when it is.
release_name() {
  local commit id renamed
  commit=$(release_commit)
  id=${release_id%unknown}${commit:0:7}
  [[ $commit != unknown && $release_id = *_unknown && ! -e $RELEASE_LOGS/$id.log ]] || return 0
  renamed=$(release_jq 'named($id; $commit)' --arg id "$id" --arg commit "$commit")
  release_write "$release_open" "$renamed" || return 0
  mv "$RELEASE_LOGS/$release_id.log" "$RELEASE_LOGS/$id.log" || true
  release_id=$id
}

release_new() {
  local commit log
  commit=$(release_commit)
  until release_id=$(date -u +%Y%m%d_%H%M%S)_${commit:0:7} && [ ! -e "$RELEASE_LOGS/$release_id.log" ]; do sleep 0.2; done
  open=$(release_jq 'begun($id; $commit; $by; $tentative)' --arg id "$release_id" --arg commit "$commit" --arg by "${DEPLOYED_BY:-unknown}" \
    --argjson tentative "$release_tentative")
  note INFO "$RELEASE_SERVICE $RELEASE_VERSION ($RELEASE_IMAGE, commit $commit), deployed by ${DEPLOYED_BY:-unknown}"
  find "$RELEASE_LOGS" -maxdepth 1 -name '*.log' -printf '%f\n' | sort | head -n -"$release_kept_logs" |
    while IFS= read -r log; do rm -f "$RELEASE_LOGS/$log"; done
}

# Adds the open deployment's line to the history, which is bounded; a deployment has one line.
release_remember() {
  local lines
  lines=$(grep -v -F "\"deployment_id\":\"$release_id\"," "$release_history" 2>/dev/null | tail -n $((release_kept_history - 1)) || true)
  release_write "$release_history" "${lines:+$lines$'\n'}$1"
}

# release_end <status> <what the command said> <seconds>
release_end() {
  local status=$1 said=$2 seconds=$3
  [ "$status" -ne 0 ] || release_name
  if [ "$status" -ne 0 ]; then
    note ERROR "failed after $seconds s: $said"
  else
    [ -z "$said" ] || note DEBUG "$said"
    note SUCCESS "done after $seconds s"
  fi
  open=$(release_jq 'with_step($seconds; $schema)' --argjson seconds "$seconds" --arg schema "$(cat "$release_schema")")
  [ -n "$open" ] && release_write "$release_open" "$open" || return 0
  if [ "$status" -ne 0 ]; then
    # The first line says what is wrong; everything is in the log.
    release_remember "$(release_jq 'line("failed") + {$error}' --arg error "$RELEASE_STEP: $(head -n 1 <<<"$said" | cut -c 1-300)")" &&
      rm -f "$release_open"
  else
    case $RELEASE_STEP in switch | back) release_succeeded ;; esac
  fi
}

release_succeeded() {
  local decision previous reason until=null outcome=success line state kept=''
  [ "$RELEASE_STEP" = switch ] || outcome=back
  decision=$(release_jq 'before, worth_keeping')
  { read -r previous; read -r reason; } <<<"$decision"
  if [ "$reason" = true ] && [ "$RELEASE_KEEP_MINUTES" -gt 0 ] && [ -n "$previous" ] && slot_is_retained "$previous"; then
    kept=$previous
    until=\"$(date -u -d "+$RELEASE_KEEP_MINUTES minutes" +%Y-%m-%dT%H:%M:%SZ)\"
  fi
  decision=$(release_jq 'line($outcome), served($outcome; $previous; $until)' --arg outcome "$outcome" --arg previous "$previous" \
    --argjson until "$until")
  { read -r line; read -r state; } <<<"$decision"
  release_write "$release_state" "$state"
  release_remember "$line" && rm -f "$release_open"
  note SUCCESS "$RELEASE_SLOT serves; before it ${previous:-nothing}"
  [ "$outcome" = back ] || release_sweep "$kept"
}

# The whole switch to this slot, with the routes as they are now, to be done again: what `ops back` runs.
release_save() {
  local saves
  mapfile -t saves <<<"$RELEASE_SAVES"
  # shellcheck disable=SC2046 # The names of functions.
  release_write "$release_slots/$RELEASE_SLOT" "$(declare -p "${saves[@]}" "${!release_@}" | sed -E 's/^declare -[-x]+ //' &&
    declare -f $(compgen -A function | grep -v -x main))"
}

# What does not serve stops: what the switch has replaced, when nothing leads to it any more; a slot that was found unfit.
release_stop() {
  local serving
  if [ "$1" -eq 0 ]; then
    [ "$RELEASE_STEP" != switch ] || slots_stop "$RELEASE_SERVICE" "$RELEASE_SLOT"
  elif [ "$RELEASE_STEP" = probe ] || [ "$release_refused" = true ]; then
    serving=$(jq --raw-output .active_slot "$release_state" 2>/dev/null) || serving=
    [ "$serving" = "$RELEASE_SLOT" ] || slot_scale "$RELEASE_SLOT" 0 || note WARN "could not stop the slot $RELEASE_SLOT"
  fi
}

# Removes the slots that Pulumi leaves to the host: those that never served, and those that nobody goes back to.
release_sweep() {
  local kept=$1 slot file
  for slot in $(docker service ls --quiet --filter "label=berth.resource=$RELEASE_SERVICE" --filter label=berth.retain=true |
    xargs --no-run-if-empty docker service inspect --format '{{.Spec.Name}}'); do
    case $slot in "$RELEASE_SLOT" | "$kept") continue ;; esac
    if slot_remove "$slot"; then note INFO "removed the slot $slot"; else note WARN "could not remove the slot $slot"; fi
  done
  for file in "$release_slots"/*; do
    case ${file##*/} in "$RELEASE_SLOT" | "$kept") ;; *) rm -f "$file" ;; esac
  done
  [ -n "$kept" ] || return 0
  slot_timer_install
  note INFO "$kept stays for $RELEASE_KEEP_MINUTES minutes: npm run ops -- back $RELEASE_SYSTEM"
}

release_run() {
  local began said seconds status='' open
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
