# shellcheck shell=bash disable=SC2154,SC2153
# What monit, `up` and `ops status` call, as root: look CHECK, tell, heartbeat, hello, now. Runs after tell.sh.
: "${RUNTIME_DIRECTORY:=/run/berth-watch}"
case ${1:-} in
  # 0: all is well; 1: what is wrong is in the check's file; anything else: it could not look, and what was found before stays.
  look)
    file=$RUNTIME_DIRECTORY/$2
    if ! bash "$0" check "$2" >"$file.new" 2>"$file.error"; then
      tail -n 1 "$file.error"
      exit 2
    fi
    mv "$file.new" "$file"
    jq --raw-output '"\(.alert) \(.of): \(.value)"' "$file" | head -c 400
    [ ! -s "$file" ] || exit 1
    ;;
  check) check_"$2" ;;
  tell) tell ;;
  heartbeat) heartbeat ;;
  # From `up`: what cannot be reached is known there, and not when it is needed.
  hello)
    for channel in $CHANNELS; do
      said=$(send "$channel" "TEST: alerts of $HOST come here" "host: $HOST (stack $STACK)"$'\n'"This is sent when alerts are declared or changed. What they mean: $RUNBOOK" 2>&1) ||
        fail "berth:alerts: no message can be sent by $channel: $said. docs/runbooks/alerts.md, \"Setting it up\", says what each needs"
    done
    rm -f "$STATE/undelivered"
    grep --quiet "^HEARTBEAT_URL=''$" "$SETTINGS/secrets" || said=$(heartbeat 2>&1) ||
      fail "berth:alertsHeartbeatUrl does not answer: $said"
    ;;
  now) now ;;
  *) fail "use one of: look, tell, heartbeat, hello, now" ;;
esac
