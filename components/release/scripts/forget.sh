# shellcheck shell=bash
# The service is taken out of the program: the slots that Pulumi leaves to the host go, and so does the state of what serves.
# The history and the logs stay.
for slot in $(docker service ls --quiet --filter "label=berth.resource=$RELEASE_SERVICE" --filter label=berth.retain=true |
  xargs --no-run-if-empty docker service inspect --format '{{.Spec.Name}}'); do
  slot_remove "$slot" || fail "cannot remove the slot $slot"
done
sudo rm -rf "$RELEASE_RECORDS/$RELEASE_SERVICE.json" "$RELEASE_RECORDS/$RELEASE_SERVICE.open.json" "$RELEASE_RECORDS/$RELEASE_SERVICE.slots"
