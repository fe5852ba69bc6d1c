# shellcheck shell=bash disable=SC2153
# Removes what nothing needs from a registry: tags beyond the newest KEEP_VERSIONS of each repository, manifests that no tag leads to, and
# the blobs that no manifest names. An image that this host has stays, and what is younger than a week. SERVICE, DATA_DIRECTORY and
# KEEP_VERSIONS are parameters, and QUIET_MINUTES.
# Folders are distribution's (registry/storage/paths.go); of a manifest goes what its Vacuum removes (vacuum.go). The registry is paused
# meanwhile, so that its requests wait, and left alone where somebody has pushed within QUIET_MINUTES: the layers of a push are named by no
# manifest until its end, and would be swept (docs/content/about/garbage-collection.md). A paused container fails its health checks: the
# unit ends this before Swarm would restart it.
only_one "registry-$SERVICE" 1800
container=$(docker ps --quiet --filter "label=berth.resource=$SERVICE" --filter status=running | head -n 1)
[ -n "$container" ] || fail "$SERVICE does not run, so nothing is removed. See: docker service ps --no-trunc $SERVICE"
image=$(docker inspect --format '{{.Image}}' "$container")
root=$DATA_DIRECTORY/docker/registry/v2
if [ ! -d "$root/repositories" ]; then
  echo "$SERVICE is empty"
  exit 0
fi
week_ago=$(($(date +%s) - 7 * 86400))
before=$(du --summarize --block-size=1M "$DATA_DIRECTORY" | cut -f 1)
began=$SECONDS
docker pause "$container" >/dev/null
trap 'docker unpause "$container" >/dev/null 2>&1 || true' EXIT

# True while a push may be under way: it asks for layers (HEAD) and sends what is missing. An upload is logged at its end, and until then
# its file grows.
somebody_pushes() {
  local asked
  # 0 asks for a collection whoever pushes.
  [ "$QUIET_MINUTES" -gt 0 ] || return 1
  asked=$(docker logs --since "${QUIET_MINUTES}m" "$container" 2>&1 | grep --count --extended-regexp 'http\.request\.method=(HEAD|POST|PATCH|PUT) .*/blobs/') || true
  [ "${asked:-0}" -gt 0 ] || [ -n "$(find "$root/repositories" -path '*/_uploads/*/data' -newermt "$QUIET_MINUTES minutes ago" -print -quit)" ]
}
if somebody_pushes; then
  echo "$SERVICE: somebody pushes, or did within $QUIET_MINUTES minutes, so nothing is removed now"
  exit 75
fi

# Digests, one a line, with those of what they list: an index names its images, a blob that is no manifest names nothing.
with_listed() {
  local digest
  while IFS= read -r digest; do
    printf '%s\n' "$digest"
    jq --raw-output '.manifests[]?.digest' "$root/blobs/sha256/${digest:7:2}/${digest#sha256:}/data" 2>/dev/null || true
  done
}

here=$(docker image ls --digests --no-trunc --format '{{.Digest}}' | grep '^sha256:' | sort -u || true)
tags=0 manifests=0
while IFS= read -r folder; do
  count=0 needed=$here
  while read -r time tag; do
    digest=$(<"$tag/current/link")
    count=$((count + 1))
    if [ "$count" -le "$KEEP_VERSIONS" ] || [ "${time%.*}" -ge "$week_ago" ] || grep --quiet --line-regexp --fixed-strings "$digest" <<<"$here"; then
      needed+=$'\n'$digest
    else
      rm -r "$tag"
      tags=$((tags + 1))
    fi
  done < <(find "$folder/tags" -path '*/current/link' -printf '%T@ %p\n' 2>/dev/null | sort --numeric-sort --reverse | sed 's#/current/link$##')
  needed+=$'\n'$(find "$folder/revisions" -name link -newermt "@$week_ago" -printf '%h\n' 2>/dev/null | sed 's#.*/\([a-z0-9]*\)/\([0-9a-f]*\)$#\1:\2#')
  needed=$(grep '^sha256:' <<<"$needed" | with_listed | sort -u || true)
  while IFS= read -r revision; do
    grep --quiet --line-regexp --fixed-strings "sha256:$(basename "$revision")" <<<"$needed" && continue
    rm -r "$revision"
    manifests=$((manifests + 1))
  done < <(find "$folder/revisions/sha256" -mindepth 1 -maxdepth 1 -type d 2>/dev/null)
done < <(find "$root/repositories" -type d -name _manifests -prune)

# What it reads of the settings is where the data is.
said=$(docker run --rm --interactive --network none --volume "$DATA_DIRECTORY:/var/lib/registry" "$image" garbage-collect /dev/stdin 2>&1 <<'SETTINGS'
version: 0.1
log: { level: warn }
storage: { filesystem: { rootdirectory: /var/lib/registry } }
SETTINGS
) || fail "$SERVICE: the blobs that nothing names could not be removed: $(tail -n 3 <<<"$said")"
docker unpause "$container" >/dev/null
after=$(du --summarize --block-size=1M "$DATA_DIRECTORY" | cut -f 1)
echo "$SERVICE: removed $tags tags, $manifests manifests, $((before - after)) MiB; its requests waited $((SECONDS - began)) s"
