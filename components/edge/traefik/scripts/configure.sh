# shellcheck shell=bash
# Writes what does not depend on a slot: certificates, sites, and what Traefik reads when it starts, which another task takes. A running edge takes
# the sites by itself; what it cannot use is put back. Runs after certificate-files.sh. SITES, FILES and FILE_<n> are parameters.
only_one edge 60
directory=$EDGE_DIRECTORY
backup=$(sudo mktemp -d /var/lib/berth/edge-backup.XXXXXX)
trap 'sudo rm -rf "$backup"' EXIT
sudo install -d -m 0755 "$CHALLENGES_DIRECTORY"
# Its folder is watched, so it is never made anew.
sudo mkdir -p "$directory"/{tls,dynamic,plugins}
sudo cp -a "$directory/." "$backup/"

index=0
while IFS= read -r file; do
  content=FILE_$index
  index=$((index + 1))
  sudo mkdir -p "$directory/$(dirname "$file")"
  edge_write "$directory/$file" "${!content}"
done <<<"$FILES"
edge_certificates
edge_write "$directory/dynamic/sites.yml" "$SITES"
sudo chmod -R u=rwX,go= "$directory"

container=$(edge_container)
[ -n "$container" ] || exit 0
if ! edge_reload "$container" '^(http|challenges|nothing)_|^unknown-|^loaded@'; then
  sudo cp -a "$backup/." "$directory/"
  edge_again "$container"
  fail "the edge keeps its old configuration"
fi
edge_forget_common
