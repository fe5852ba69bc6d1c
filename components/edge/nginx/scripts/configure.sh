# shellcheck shell=bash
# Writes what does not depend on a slot: main configuration, certificate, one site a domain. A running edge takes it by a
# reload; what it refuses is put back. Sites that are no longer named go. Without a CERTIFICATE those that are there stay, and
# a domain's first one is what the edge had for all of them, or a placeholder: nginx does not start without.
only_one edge 60
directory=$EDGE_DIRECTORY
backup=$(sudo mktemp -d /var/lib/berth/edge-backup.XXXXXX)
trap 'sudo rm -rf "$backup"' EXIT
sudo install -d -m 0755 "$CHALLENGES_DIRECTORY"
sudo mkdir -p "$directory"/{tls,sites,upstreams,limits,checks,locations}
sudo cp -a "$directory/." "$backup/"

sudo tee "$directory/nginx.conf" >/dev/null <<<"$MAIN"
if [ -n "$CERTIFICATE" ] && [ -e "$RENEWAL_SCRIPT" ]; then
  # Nothing may renew over it. Account and certificates stay on the volume: asking for them again counts against limits.
  sudo systemctl disable --now --quiet "$RENEWAL_UNIT.timer"
  sudo systemctl stop "$RENEWAL_UNIT.service"
  sudo rm -f /etc/systemd/system/"$RENEWAL_UNIT".{service,timer} "$RENEWAL_SCRIPT"
  sudo systemctl daemon-reload
fi
# The one certificate of all domains, as hosts of earlier versions of Berth have it.
common=$directory/$TLS_DIRECTORY/edge.pem
# What a domain begins with.
first_certificate() {
  if sudo test -s "$common"; then
    sudo cat "$common"
  else
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 \
      -subj '/CN=no certificate yet' -keyout - 2>/dev/null || fail "openssl cannot make the edge's first certificate"
  fi
}
while IFS= read -r domain; do
  [ -n "$domain" ] || continue
  certificate=$directory/$TLS_DIRECTORY/$domain.pem
  if [ -n "$CERTIFICATE" ]; then
    content=$PRIVATE_KEY$'\n'$CERTIFICATE
  elif ! sudo test -s "$certificate"; then
    content=$(first_certificate)
  else
    continue
  fi
  sudo tee "$certificate.new" >/dev/null <<<"$content"
  sudo mv "$certificate.new" "$certificate"
done <<<"$DOMAINS"
sudo rm -f "$directory"/sites/*.conf
index=0
while IFS= read -r domain; do
  [ -n "$domain" ] || continue
  site=SITE_$index
  index=$((index + 1))
  sudo mkdir -p "$directory/locations/$domain"
  sudo tee "$directory/sites/$domain.conf" >/dev/null <<<"${!site}"
done <<<"$DOMAINS"
sudo chmod -R u=rwX,go= "$directory"

container=$(edge_container)
[ -n "$container" ] || exit 0
if ! { edge_reload "$container" && edge_drain; }; then
  sudo find "$directory" -mindepth 1 -delete
  sudo cp -a "$backup/." "$directory/"
  fail "the edge keeps its old configuration"
fi
# No site names it any more.
sudo rm -f "$common"
