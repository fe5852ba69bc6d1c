# shellcheck shell=bash
# Slots that Pulumi leaves to the host, to be gone back to: label berth.retain=true.

slot_is_retained() {
  [ "$(docker service inspect --format '{{index .Spec.Labels "berth.retain"}}' "$1" 2>/dev/null)" = true ]
}

# slots_retained SERVICE: the names of its slots that Pulumi leaves to the host, one a line.
slots_retained() {
  docker service ls --quiet --filter "label=berth.resource=$1" --filter label=berth.retain=true |
    xargs --no-run-if-empty docker service inspect --format '{{.Spec.Name}}'
}

# other_slots SERVICE SLOT: the names of a service's slots but for this one.
other_slots() {
  docker service ls --quiet --filter "label=berth.resource=$1" | xargs --no-run-if-empty docker service inspect --format '{{.Spec.Name}}' |
    grep --invert-match --line-regexp --fixed-strings "$2" || true
}

# slots_stop SERVICE SERVING: every slot but the one that serves; one of no tasks takes no memory and works no jobs. Pulumi deletes them
# after a run without an error, which may be long in coming: another system's failure is one.
slots_stop() {
  local slot
  for slot in $(other_slots "$1" "$2"); do
    scale_service "$slot" 0 || note WARN "could not stop the slot $slot"
  done
}

# slots_await_end SERVICE SERVING: until the tasks of the others have ended, at most 10 s. Of one that has not, the docker provider's
# delete waits until its container is removed as well, which Swarm does some 4 s after its end.
slots_await_end() {
  local slot began=$SECONDS
  for slot in $(other_slots "$1" "$2"); do
    while [ $((SECONDS - began)) -lt 10 ] && docker service ps --format '{{.CurrentState}}' "$slot" 2>/dev/null | grep --quiet '^Running'; do
      sleep 0.2
    done
  done
}

# slot_await_stop SLOT: until nothing of it runs. A task has 30 s to end what it has begun.
slot_await_stop() {
  await_stop "$1" 60 || fail "$1 was stopped and still runs after 60 s, and nothing of $RELEASE_SERVICE may run twice. See: docker service ps --no-trunc $1"
}

# slot_start SLOT TASKS: one that was stopped because it was not healthy, or was gone back from, starts again. Where nothing of the
# service may run twice (RELEASE_ORDER is stop-first), what ran before has stopped by then; slot_gap_began is when it was told to.
slot_start() {
  local slot
  slot_gap_began=
  if [ "${RELEASE_ORDER:-}" = stop-first ]; then
    for slot in $(other_slots "$RELEASE_SERVICE" "$1"); do
      [ "$(service_tasks_wanted "$slot")" = 0 ] || slot_gap_began=$EPOCHREALTIME
    done
    slots_stop "$RELEASE_SERVICE" "$1"
    for slot in $(other_slots "$RELEASE_SERVICE" "$1"); do slot_await_stop "$slot"; done
  fi
  scale_service "$1" "$2"
}

# Says in the deployment's log how long nothing of the service ran.
slot_note_gap() {
  [ -z "$slot_gap_began" ] || note INFO "nothing of $RELEASE_SERVICE ran for $(awk -v from="$slot_gap_began" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.1f", to - from }') s"
}

# Removes a slot and the secrets and configurations that only it used: what another service uses, Docker keeps.
slot_remove() {
  local used kind id
  used=$(docker service inspect --format \
    '{{range .Spec.TaskTemplate.ContainerSpec.Secrets}}secret {{.SecretID}}{{"\n"}}{{end}}{{range .Spec.TaskTemplate.ContainerSpec.Configs}}config {{.ConfigID}}{{"\n"}}{{end}}' \
    "$1" 2>/dev/null) || return 0
  docker service rm "$1" >/dev/null || return 1
  while read -r kind id; do
    [ -z "$id" ] || docker "$kind" rm "$id" >/dev/null 2>&1 || true
  done <<<"$used"
}

# Removes the previous slots whose time is over: slots_expire <folder of the records>
slots_expire() {
  local records=$1 state service slot
  for state in "$records"/*.json; do
    case $state in *.open.json) continue ;; esac
    service=$(basename "$state" .json)
    exec 8>"/run/lock/berth-records-$service"
    flock --wait 30 8 || continue
    slot=$(jq --raw-output 'select(.previous_slot_until != null and .previous_slot != .active_slot and (.previous_slot_until | fromdate) <= now) | .previous_slot' "$state" 2>/dev/null) || slot=
    if [ -n "$slot" ] && slot_is_retained "$slot"; then slot_remove "$slot" || slot=; fi
    if [ -n "$slot" ]; then
      jq '.previous_slot_until = null' "$state" >"$state.new" && sync "$state.new" && mv "$state.new" "$state"
      rm -f "$records/$service.slots/$slot"
      printf 'removed the slot %s, whose time to go back to was over\n' "$slot"
    fi
    flock --unlock 8
  done
}

# A timer of the host, so that a slot goes in time whoever is logged in, and after a restart too.
slot_timer_install() {
  local script unit
  script=$(printf '#!/bin/bash\n# Written by Berth: removes previous slots whose time is over.\nset -euo pipefail\numask 077\n%s\nslots_expire %q\n' \
    "$(declare -f slot_is_retained slot_remove slots_expire)" "$RELEASE_RECORDS")
  unit=$(printf '[Unit]\nDescription=Removes previous slots whose time is over\nAfter=docker.service\n\n[Service]\nType=oneshot\nUser=%s\nExecStart=/usr/local/sbin/berth-slots-expire\n' "$(id -un)")
  sudo tee /usr/local/sbin/berth-slots-expire.new >/dev/null <<<"$script"
  sudo chmod 0755 /usr/local/sbin/berth-slots-expire.new
  sudo mv /usr/local/sbin/berth-slots-expire.new /usr/local/sbin/berth-slots-expire
  sudo tee /etc/systemd/system/berth-slots-expire.service >/dev/null <<<"$unit"
  printf '[Unit]\nDescription=Removes previous slots whose time is over\n\n[Timer]\nOnCalendar=minutely\nAccuracySec=1s\nPersistent=true\n\n[Install]\nWantedBy=timers.target\n' |
    sudo tee /etc/systemd/system/berth-slots-expire.timer >/dev/null
  sudo systemctl daemon-reload
  sudo systemctl enable --now --quiet berth-slots-expire.timer
}
