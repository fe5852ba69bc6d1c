# shellcheck shell=sh
# Runs on the operator's side: sends the script on standard input to the host, and when that has put the access to it on trial,
# comes in once more on a connection of its own: only then the old keys and ports are gone for good.
# SSH_COMMAND, NEW_SSH_COMMAND, HOST and DEADLINE_SECONDS are given by the environment.
script=$(cat)
message=$(printf '%s\n' "$script" | sh -c "$SSH_COMMAND 'timeout --kill-after=5 $DEADLINE_SECONDS bash -s'" 2>&1) || {
  status=$?
  printf '%s\n' "$message" >&2
  exit "$status"
}
case $message in *"on trial"*) ;; *) exit 0 ;; esac
for attempt in 1 2 3; do
  refusal=$(sh -c "$NEW_SSH_COMMAND 'sudo berth-access keep'" </dev/null 2>&1) && exit 0
  [ "$attempt" = 3 ] || sleep 1
done
sh -c "$SSH_COMMAND 'sudo berth-access undo'" </dev/null >/dev/null 2>&1
printf 'host %s: nobody comes in with the new keys and settings of sshd, so the old ones are back.\n' "$HOST" >&2
printf 'ssh said: %s\n' "$refusal" >&2
case $refusal in
  *"Permission denied"* | *"Too many authentication failures"*)
    printf 'Add the key that you deploy with to authorizedKeys in berth:ssh: cat ~/.ssh/id_ed25519.pub\n' >&2
    ;;
  *) printf 'Is the new sshPort open between you and the host?\n' >&2 ;;
esac
exit 1
