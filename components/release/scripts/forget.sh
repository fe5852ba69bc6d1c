# shellcheck shell=bash
# The service is taken out of the program: the slots that Pulumi leaves to the host go, and so does the state of what serves.
# The history and the logs stay.
for slot in $(slots_retained "$RELEASE_SERVICE"); do
  slot_remove "$slot" || fail "cannot remove the slot $slot"
done
sudo rm -rf "$RELEASE_RECORDS/$RELEASE_SERVICE.json" "$RELEASE_RECORDS/$RELEASE_SERVICE.open.json" "$RELEASE_RECORDS/$RELEASE_SERVICE.slots"
