# shellcheck shell=bash
# Writes what does not depend on a slot: main configuration, certificates, one site a domain. A running edge takes it by a
# reload; what it refuses is put back. Sites that are no longer named go. Runs after certificate-files.sh.
only_one edge 60
directory=$EDGE_DIRECTORY
backup=$(sudo mktemp -d /var/lib/berth/edge-backup.XXXXXX)
trap 'sudo rm -rf "$backup"' EXIT
sudo install -d -m 0755 "$CHALLENGES_DIRECTORY"
sudo mkdir -p "$directory"/{tls,sites,upstreams,limits,checks,locations}
sudo cp -a "$directory/." "$backup/"

sudo tee "$directory/nginx.conf" >/dev/null <<<"$MAIN"
edge_certificates
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
edge_forget_common
