# shellcheck shell=sh
# Runs on the operator's side: sends the script on standard input to the host as soon as its sshd lets us in with the pinned
# key. A new host restarts its sshd when it has read its own settings, so a connection that breaks is tried again: the script
# only waits and looks. SSH_COMMAND, DEADLINE_SECONDS and HOST are given by the environment.
script=$(cat)
started=$(date +%s)
denied=0
while :; do
  message=$(printf '%s\n' "$script" | sh -c "$SSH_COMMAND 'timeout --kill-after=5 $DEADLINE_SECONDS bash -s'" 2>&1)
  status=$?
  if [ "$status" -eq 0 ]; then
    printf '%s\n' "$message"
    exit 0
  fi
  # ssh's own failure; everything else is what the script has to say.
  if [ "$status" -ne 255 ]; then
    printf '%s\n' "$message" >&2
    exit "$status"
  fi
  case $message in
    *"Host key verification failed"* | *"REMOTE HOST IDENTIFICATION HAS CHANGED"*)
      printf 'host %s: it answers with another host key than the one that was handed over to it.\n' "$HOST" >&2
      printf 'Either its address now belongs to another machine or somebody is in between. Nothing was sent to it.\n' >&2
      printf 'If you reinstalled it yourself, replace the server: npx pulumi up --replace "<urn of the server>"\n' >&2
      printf 'ssh said: %s\n' "$message" >&2
      exit 1
      ;;
    *"Permission denied"* | *"Too many authentication failures"*)
      # cloud-init makes the user before sshd starts (cloud-init.service: Before=sshd.service), so waiting for it is in vain. Tried
      # twice all the same: an agent with more keys than MaxAuthTries counts at the jail of sshd, a wrong key does not.
      denied=$((denied + 1))
      if [ "$denied" -ge 2 ]; then
        printf 'host %s: it refuses the keys that ssh offers. The agent has:\n%s\n' "$HOST" "$(ssh-add -l 2>&1)" >&2
        printf 'Allowed are the keys of authorizedKeys in berth:ssh as they were when the server was made. Offer one of them:\n' >&2
        printf '  ssh-add <file of its private key>\n' >&2
        printf '  or, for everybody who deploys: npx pulumi config set --path berth:ssh.identityFile <file>\n' >&2
        printf 'With more keys than sshd tries, five attempts in ten minutes shut your address out for ten minutes.\n' >&2
        printf 'ssh said: %s\n' "$message" >&2
        exit 1
      fi
      ;;
  esac
  waited=$(($(date +%s) - started))
  if [ "$waited" -ge "$DEADLINE_SECONDS" ]; then
    printf 'host %s: no SSH after %s seconds (deadline %s). ssh said: %s\n' "$HOST" "$waited" "$DEADLINE_SECONDS" "$message" >&2
    printf 'Look at it from the other side: is the server running, and is your address in sshAllowedFrom?\n' >&2
    exit 1
  fi
  sleep 1
done
