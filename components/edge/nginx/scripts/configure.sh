# shellcheck shell=bash
# Writes what does not depend on a slot: main configuration, certificate, one site a domain. A running edge takes it by a
# reload; what it refuses is put back. Sites that are no longer named go. Without a CERTIFICATE the one that is there stays,
# and the first one is a placeholder: nginx does not start without.
only_one edge 60
directory=$EDGE_DIRECTORY
backup=$(sudo mktemp -d /var/lib/berth/edge-backup.XXXXXX)
trap 'sudo rm -rf "$backup"' EXIT
sudo install -d -m 0755 "$CHALLENGES_DIRECTORY"
sudo mkdir -p "$directory"/{tls,sites,upstreams,limits,checks,locations}
sudo cp -a "$directory/." "$backup/"

sudo tee "$directory/nginx.conf" >/dev/null <<<"$MAIN"
certificate=$directory/$CERTIFICATE_FILE
if [ -n "$CERTIFICATE" ]; then
  # Nothing may renew over it. Account and certificates stay on the volume: asking for them again counts against limits.
  if [ -e "$RENEWAL_SCRIPT" ]; then
    sudo systemctl disable --now --quiet "$RENEWAL_UNIT.timer"
    sudo systemctl stop "$RENEWAL_UNIT.service"
    sudo rm -f /etc/systemd/system/"$RENEWAL_UNIT".{service,timer} "$RENEWAL_SCRIPT"
    sudo systemctl daemon-reload
  fi
  sudo tee "$certificate.new" >/dev/null <<<"$PRIVATE_KEY"$'\n'"$CERTIFICATE"
  sudo mv "$certificate.new" "$certificate"
elif ! sudo test -s "$certificate"; then
  placeholder=$(openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 \
    -subj '/CN=no certificate yet' -keyout - 2>/dev/null) || fail "openssl cannot make the edge's first certificate"
  sudo tee "$certificate" >/dev/null <<<"$placeholder"
fi
sudo rm -f "$directory"/sites/*.conf
while IFS= read -r domain; do
  [ -n "$domain" ] || continue
  sudo mkdir -p "$directory/locations/$domain"
  sudo tee "$directory/sites/$domain.conf" >/dev/null <<<"${SITE_TEMPLATE//DOMAIN_OF_THE_SITE/$domain}"
done <<<"$DOMAINS"
sudo chmod -R u=rwX,go= "$directory"

container=$(edge_container)
[ -n "$container" ] || exit 0
if ! { edge_reload "$container" && edge_drain; }; then
  sudo find "$directory" -mindepth 1 -delete
  sudo cp -a "$backup/." "$directory/"
  fail "the edge keeps its old configuration"
fi
