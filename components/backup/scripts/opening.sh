# shellcheck shell=bash disable=SC2153
# What opens the store of NAME on this host: restic, and STORE_FILE (secrets, from standard input). STORE_URL, STORE_PREFIX, REGION, AUTHORITY and
# AUTHORITY_FILE are parameters; KEY_ID, KEY and PASSWORD are secrets.
open_store() {
  command -v restic >/dev/null || install_packages restic
  sudo install -d -m 0700 "$(dirname "$STORE_FILE")"
  {
    printf '%s=%q\n' AWS_ACCESS_KEY_ID "$KEY_ID" AWS_SECRET_ACCESS_KEY "$KEY" AWS_DEFAULT_REGION "$REGION" RESTIC_PASSWORD "$PASSWORD" \
      RESTIC_REPOSITORY "s3:$STORE_URL/$STORE_PREFIX" STORE_URL "$STORE_URL" RESTIC_CACHE_DIR /var/cache/berth/restic
  } | sudo install -m 0600 /dev/stdin "$STORE_FILE"
  if [ -n "$AUTHORITY" ]; then sudo install -m 0644 /dev/stdin "$AUTHORITY_FILE" <<<"$AUTHORITY"; fi
}
