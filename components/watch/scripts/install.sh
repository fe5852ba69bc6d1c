# shellcheck shell=bash disable=SC2153
# Puts what watches this host on it: monit with a control file of its own, the script that it runs, and where messages go (secrets, from
# standard input); then sends one on each way, so that a way that cannot be used fails this run. SCRIPT, SCRIPT_PATH, SETTINGS, MONITRC,
# UNIT_TEXT, STATE and AUTHORITY are parameters; EMAIL_PASSWORD, SLACK_URL, DISCORD_URL, NTFY_URL and HEARTBEAT_URL are secrets.
if ! command -v monit >/dev/null; then
  install_packages monit
  # The package's own has nothing to do; one that was here before stays as it is. Debian 12 has it from init.d, which `--now` does not stop.
  sudo systemctl stop monit 2>/dev/null || true
  sudo systemctl disable --quiet monit 2>/dev/null || true
fi
sudo install -d -m 0700 "$SETTINGS" "$STATE"
for name in EMAIL_PASSWORD SLACK_URL DISCORD_URL NTFY_URL HEARTBEAT_URL; do
  printf '%s=%q\n' "$name" "${!name}"
done | sudo install -m 0600 /dev/stdin "$SETTINGS/secrets"
if [ -n "$AUTHORITY" ]; then sudo install -m 0644 /dev/stdin "$SETTINGS/authority.pem" <<<"$AUTHORITY"; fi
sudo install -D -m 0755 /dev/stdin "$SCRIPT_PATH" <<<"$SCRIPT"
# monit reads no file that others may.
sudo install -m 0600 /dev/stdin "$SETTINGS/monitrc" <<<"$MONITRC"
said=$(sudo monit -t -c "$SETTINGS/monitrc" 2>&1) || fail "monit refuses its control file: $said"
said=$(sudo "$SCRIPT_PATH" hello 2>&1) || fail "$said"
sudo install -m 0644 /dev/stdin /etc/systemd/system/berth-watch.service <<<"$UNIT_TEXT"
sudo systemctl daemon-reload
sudo systemctl enable --quiet berth-watch
sudo systemctl restart berth-watch
sleep 1
systemctl is-active --quiet berth-watch || fail "berth-watch does not run: $(sudo journalctl --unit berth-watch --lines 5 --output cat)"
