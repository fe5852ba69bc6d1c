# shellcheck shell=bash
# Writes what does not depend on a slot: main configuration, certificate, one site a domain. A running edge takes it by a
# reload; what it refuses is put back. Sites that are no longer named go.
directory=$EDGE_DIRECTORY
backup=$(sudo mktemp -d /var/lib/berth/edge-backup.XXXXXX)
trap 'sudo rm -rf "$backup"' EXIT
sudo mkdir -p "$directory"/{tls,sites,upstreams,limits,checks,locations}
sudo cp -a "$directory/." "$backup/"

sudo tee "$directory/nginx.conf" >/dev/null <<<"$MAIN"
sudo tee "$directory/tls/fullchain.pem" >/dev/null <<<"$CERTIFICATE"
sudo tee "$directory/tls/key.pem" >/dev/null <<<"$PRIVATE_KEY"
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
