#!/bin/bash
# berth-prune-images [now]: removes images that nothing needs, found so by two daily runs in a row: what a release has just pulled is
# not used yet. `now`, and a disk with less than FLOOR_MEBIBYTES (environment) left, take one look alone.
set -euo pipefail
exec 9>/run/lock/berth-prune-images
flock --nonblock 9 || exit 0
seen=/var/lib/berth/unused-images
records=/var/lib/berth/deployments

# Images of containers and services (a slot without tasks has no container), of releases that have begun, the ones that brought the
# schemas to where they are, and the last three that each service was released with: what going back needs.
needed() {
  docker ps --all --quiet | xargs --no-run-if-empty docker inspect --format '{{.Image}}'
  {
    docker service ls --quiet | xargs --no-run-if-empty docker service inspect --format '{{.Spec.TaskTemplate.ContainerSpec.Image}}'
    find "$records" -name '*.open.json' -exec jq --raw-output '.image // empty' {} + 2>/dev/null || true
    find /var/lib/berth/migrations -type f -exec cat {} + 2>/dev/null || true
    for history in "$records"/*.history.jsonl; do
      [ -e "$history" ] || continue
      tail -n 100 "$history" | jq --raw-output 'select(.outcome == "success" or .outcome == "back") | .image // empty' | tac | awk '!seen[$0]++' | head -n 3
    done
  } | sort -u | xargs --no-run-if-empty -n 1 docker image inspect --format '{{.Id}}' 2>/dev/null || true
}

unused=$(comm -23 <(docker image ls --quiet --no-trunc | sort -u) <(needed | sort -u))
room=$(df --output=avail --block-size=1M /var/lib/docker | tail -n 1)
if [ "${1:-}" = now ] || [ "$room" -lt "${FLOOR_MEBIBYTES:?}" ]; then
  gone=$unused
else
  gone=$(comm -12 <(sort -u "$seen" 2>/dev/null) <(printf '%s\n' "$unused"))
fi
printf '%s\n' "$unused" >"$seen.new"
mv "$seen.new" "$seen"
for image in $gone; do
  if docker image rm --force "$image" >/dev/null; then echo "removed the image $image, which nothing needs"; fi
done
