# shellcheck shell=bash disable=SC2154
# What becomes of a service's slots when a command of its release has ended. Runs with record.sh.

# release_serves TRANSITION: where it changed what serves, the slots go that Pulumi leaves to the host: those that never served, and
# those that nobody goes back to.
release_serves() {
  local previous kept slot file
  case $RELEASE_STEP in switch | back) ;; *) return 0 ;; esac
  { read -r previous; read -r kept; } < <(head -n 1 <<<"$1" | jq --raw-output \
    'values | .previous_slot // "", (if .previous_slot_until == null then "" else .previous_slot end)') || return 0
  note SUCCESS "$RELEASE_SLOT serves; before it ${previous:-nothing}"
  [ "$RELEASE_STEP" = switch ] || return 0
  for slot in $(slots_retained "$RELEASE_SERVICE"); do
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

# The whole switch to this slot, with the routes as they are now, to be done again: what `ops back` runs.
release_save() {
  local saves
  mapfile -t saves <<<"$RELEASE_SAVES"
  # shellcheck disable=SC2046 # The names of functions.
  release_write "$release_slots/$RELEASE_SLOT" "$(declare -p "${saves[@]}" "${!release_@}" | sed -E 's/^declare -[-x]+ //' &&
    declare -f $(compgen -A function | grep -v -x main))"
}

# What does not serve stops: what the switch has replaced, when no route leads to it any more; a slot that was found unfit; one that was
# found fit and never switched to, as when what is released with it failed. What had stopped for that one runs again.
release_stop() {
  local serving slot
  if [ "$1" -eq 0 ]; then
    if [ "$RELEASE_STEP" = probe ]; then
      serving=$(jq --raw-output .active_slot "$release_state" 2>/dev/null) || return 0
      for slot in $(other_slots "$RELEASE_SERVICE" "$RELEASE_SLOT"); do
        # The routes decide: a record may be older, where a full disk kept it from being written.
        [ "$slot" = "$serving" ] || sudo grep --recursive --quiet --fixed-strings "$slot" "$RELEASE_ROUTES" || scale_service "$slot" 0
      done
      return 0
    fi
    [ "$RELEASE_STEP" = switch ] || return 0
    slots_stop "$RELEASE_SERVICE" "$RELEASE_SLOT"
    # Nothing deletes those that stay.
    [ "$RELEASE_KEEP_MINUTES" -gt 0 ] || slots_await_end "$RELEASE_SERVICE" "$RELEASE_SLOT"
    return 0
  fi
  case $RELEASE_STEP-${RELEASE_STARTS:-no} in
    probe-* | switch-yes | back-yes) ;;
    *) [ "$release_refused" = true ] || return 0 ;;
  esac
  serving=$(jq --raw-output .active_slot "$release_state" 2>/dev/null) || serving=
  [ "$serving" != "$RELEASE_SLOT" ] || return 0
  scale_service "$RELEASE_SLOT" 0 || note WARN "could not stop the slot $RELEASE_SLOT"
  if [ "${RELEASE_ORDER:-}" = stop-first ] && [ -n "$serving" ]; then
    (slot_await_stop "$RELEASE_SLOT") 2>/dev/null || true
    scale_service "$serving" "$RELEASE_TASKS" || note ERROR "could not start the slot $serving again"
  fi
}
