# shellcheck shell=bash disable=SC2154,SC2016,SC2153
# Tells what monit found, once: monit knows what is wrong and forgets it when it restarts, so who was told is kept here (STATE).
alerts=$STATE/alerts.json
# So often monit has looked, after it has started, when what it calls well is well: before that, its rules that wait for a second or a fifth
# time (alerts.ts) have not been met yet, whatever is wrong.
settled_looks=7

ask_monit() { monit -c "$SETTINGS/monitrc" -B status 2>/dev/null; }

# What monit says of its checks, as lines of `name|type|ok, wrong, blind or new|percent of the memory in use`.
states() {
  ask_monit | awk -v quote="'" '
    function flush() { if (name != "") printf "%s|%s|%s|%s\n", name, type, state, percent }
    /^[A-Z]/ && index($0, quote) { flush(); type = $1; split($0, part, quote); name = part[2]; state = percent = "" }
    /^  status  / { $1 = ""; sub(/^ +/, ""); state = $0 == "OK" ? "ok" : $0 ~ /^(Initializing|Waiting|Not monitored)/ ? "new" : "wrong" }
    /^  last exit value/ && state == "wrong" && $4 != 1 { state = "blind" }
    /^  memory usage/ && match($0, /\[[0-9.]+%\]/) { percent = substr($0, RSTART + 1, RLENGTH - 3) }
    END { flush() }'
}

# Everything that is wrong, one a line; `blind` has the checks that did not look.
found() {
  local name type state percent
  while IFS='|' read -r name type state percent; do
    case $state in
      ok)
        [ "$looks" -gt "$settled_looks" ] || blind="$blind $name"
        continue
        ;;
      new) blind="$blind $name" && continue ;;
      blind) blind="$blind $name" ;;
    esac
    {
      case $type-$state in
        System-*) problem memory "$HOST" "$percent %" "$MEMORY_PERCENT %" ;;
        Program-wrong) [ ! -s "$RUNTIME_DIRECTORY/$name" ] || cat "$RUNTIME_DIRECTORY/$name" ;;
        Program-blind) [ "$name" = heartbeat ] || problem watch "$name" "$(tail -n 1 "$RUNTIME_DIRECTORY/$name.error" 2>/dev/null | cut -c 1-300)" "it can be looked at" ;;
      esac
    } | jq --compact-output --arg check "$name" '. + { $check }'
  done <<<"$states"
}

# rules FILTER OPTIONS...
rules() {
  jq --compact-output --argjson now "$(date +%s)" --argjson remind "$REMIND_SECONDS" \
    --argjson channels "$(jq --null-input --arg all "$CHANNELS" '$all / " "')" "${@:2}" "$tell_rules $1"
}

# keep FILTER OPTIONS...: the state, whole or not at all.
keep() {
  local next
  [ -s "$alerts" ] || echo '{}' >"$alerts"
  next=$(rules "$@" <"$alerts")
  printf '%s\n' "$next" >"$alerts.new"
  mv "$alerts.new" "$alerts"
}

tell() {
  local states looks blind='' lines line name channel kind message failed=''
  states=$(states)
  [ -n "$states" ] || fail "monit does not answer"
  # systemd removes that folder when monit stops.
  looks=$(($(cat "$RUNTIME_DIRECTORY/looks" 2>/dev/null || echo 0) + 1))
  echo "$looks" >"$RUNTIME_DIRECTORY/looks"
  # In this shell, for what it says of `blind`.
  found >"$RUNTIME_DIRECTORY/found"
  lines=$(jq --slurp . "$RUNTIME_DIRECTORY/found")
  keep 'next_state($found; $blind / " ")' --argjson found "$lines" --arg blind "$blind"
  while IFS= read -r line; do
    [ -n "$line" ] || continue
    { read -r name; read -r channel; read -r kind; } < <(jq --raw-output '.name, .channel, .kind' <<<"$line")
    # What does not answer once is not waited for again in this minute.
    [[ " $failed " != *" $channel "* ]] || continue
    message=$(rules '.[$name] | message($kind; $host; $stack; $runbook)' --arg name "$name" --arg kind "$kind" --arg host "$HOST" \
      --arg stack "$STACK" --arg runbook "$RUNBOOK" <"$alerts")
    if send "$channel" "$(jq --raw-output .title <<<"$message")" "$(jq --raw-output .body <<<"$message")"; then
      keep 'delivered($name; $channel; $kind)' --arg name "$name" --arg channel "$channel" --arg kind "$kind"
    else
      failed="$failed $channel"
    fi
  done < <(rules messages <"$alerts")
  if [ -z "$failed" ]; then
    rm -f "$STATE/undelivered"
  else
    [ -e "$STATE/undelivered" ] || touch "$STATE/undelivered"
    fail "not delivered by:$failed; tried again in a minute"
  fi
}

# For `ops status`: whether the watch runs, who is told, and what is wrong, as JSON.
now() {
  local runs=false
  ! ask_monit >/dev/null || runs=true
  [ -s "$alerts" ] || echo '{}' >"$alerts"
  jq --compact-output --argjson runs "$runs" --arg channels "$CHANNELS" --arg undelivered "$(stat --format %Y "$STATE/undelivered" 2>/dev/null)" \
    '{ $runs, tells: ($channels / " "), undelivered: (($undelivered | tonumber? // null) | if . == null then null else todate end),
       alerts: [.[] | select(.over == null) | { alert, of, value, threshold, since: (.since | floor | todate) }] }' "$alerts"
}
