# shellcheck shell=sh
# Runs on the operator's side: waits until the host's sshd lets us in with the pinned key, then runs the command once.
# SSH_COMMAND, DEADLINE_SECONDS and HOST are given by the environment.
started=$(date +%s)
while :; do
  if message=$(sh -c "$SSH_COMMAND true" 2>&1 </dev/null); then break; fi
  case $message in
    *"Host key verification failed"* | *"REMOTE HOST IDENTIFICATION HAS CHANGED"*)
      printf 'host %s: it answers with another host key than the one that was handed over to it.\n' "$HOST" >&2
      printf 'Either its address now belongs to another machine or somebody is in between. Nothing was sent to it.\n' >&2
      printf 'If you reinstalled it yourself, replace the server: npx pulumi up --replace "<urn of the server>"\n' >&2
      printf 'ssh said: %s\n' "$message" >&2
      exit 1
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
exec sh -c "$SSH_COMMAND 'timeout --kill-after=5 $DEADLINE_SECONDS bash -s'"
