# shellcheck shell=bash disable=SC2153
# Puts on the host what backs NAME up: the script, what opens its store (secrets, from standard input), and the timers; then writes the
# first backup when there is none, so that a store that cannot be used fails this run and not a night. SCRIPT, SCRIPT_PATH, STORE_FILE,
# AUTHORITY, AUTHORITY_FILE, RECORD, UNIT, UNITS (JSON: name to text), STORE_URL, STORE_PREFIX, REGION are parameters; KEY_ID, KEY and PASSWORD are secrets.
command -v restic >/dev/null || install_packages restic
sudo install -d -m 0700 "$(dirname "$STORE_FILE")"
{
  printf '%s=%q\n' AWS_ACCESS_KEY_ID "$KEY_ID" AWS_SECRET_ACCESS_KEY "$KEY" AWS_DEFAULT_REGION "$REGION" RESTIC_PASSWORD "$PASSWORD" \
    RESTIC_REPOSITORY "s3:$STORE_URL/$STORE_PREFIX" STORE_URL "$STORE_URL" RESTIC_CACHE_DIR /var/cache/berth/restic
} | sudo install -m 0600 /dev/stdin "$STORE_FILE"
if [ -n "$AUTHORITY" ]; then sudo install -m 0644 /dev/stdin "$AUTHORITY_FILE" <<<"$AUTHORITY"; fi
sudo install -D -m 0755 /dev/stdin "$SCRIPT_PATH" <<<"$SCRIPT"
# As the user of host commands, whose locks and folders these are.
sudo install -d -m 0755 -o "$(id -u)" -g "$(id -g)" "$(dirname "$RECORD")"
while IFS= read -r unit; do
  jq --raw-output --arg unit "$unit" '.[$unit]' <<<"$UNITS" | sudo install -m 0644 /dev/stdin "/etc/systemd/system/$unit"
done < <(jq --raw-output 'keys[]' <<<"$UNITS")
sudo systemctl daemon-reload
sudo systemctl enable --now --quiet "$UNIT.timer" "$UNIT-drill.timer"
said=$("$SCRIPT_PATH" first 2>&1) || fail "$said"
