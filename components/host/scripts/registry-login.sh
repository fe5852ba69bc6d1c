# shellcheck shell=bash disable=SC2154
# Logs in to a registry, which checks the password first. REGISTRY, SERVER, LOGIN_USER, EXPIRES (empty, or the password's last day),
# SET_PASSWORD (the command that sets another), WAIT_SECONDS (for one that may not answer yet) and AUTHORITY (issued its certificate, where
# that is no public one) are parameters, PASSWORD is secret.
only_one registries 60
# Docker reads every .crt of the folder for each request (docs.docker.com/engine/security/certificates); what else is there is not Berth's.
authority=/etc/docker/certs.d/$REGISTRY/berth.crt
if [ -n "${AUTHORITY:-}" ]; then
  sudo install -d -m 0755 "$(dirname "$authority")"
  sudo install -m 0644 /dev/stdin "$authority" <<<"$AUTHORITY"
elif [ -e "$authority" ]; then
  sudo rm -f "$authority"
fi
began=$SECONDS
while :; do
  said=$(printf %s "$PASSWORD" | docker login --username "$LOGIN_USER" --password-stdin "$SERVER" 2>&1) && exit 0
  case $said in *unauthorized* | *401*) break ;; esac
  [ $((SECONDS - began)) -lt "${WAIT_SECONDS:-0}" ] || break
  sleep 3
done
expired=
[ -z "$EXPIRES" ] || [[ $EXPIRES > $(date -u +%Y-%m-%d) || $EXPIRES = "$(date -u +%Y-%m-%d)" ]] || expired=" Its password expired on $EXPIRES."
fail "$REGISTRY does not take the login of $LOGIN_USER: $(tail -n 1 <<<"$said").$expired An earlier login stays as it was. Set another one: $SET_PASSWORD"
