# shellcheck shell=bash
# Makes the host's own files, the deploy user's keys, the installed packages and the data volume's file system what is declared.
# FILES (JSON: path to content and mode), AUTHORIZED_KEYS, PACKAGES, USER_NAME, SSHD_CONFIG, KERNEL_SETTINGS, FILE_MODES, UNDO_SECONDS,
# DATA_VOLUME and DOCKER_RESTART_PENDING are parameters. Sshd's settings and the keys are on trial until berth-access keeps them. Prints "on trial" when they are.
only_one settings 120
changed=
keys=$(getent passwd "$USER_NAME" | cut -d : -f 6)/.ssh/authorized_keys
saved=/var/lib/berth/access-before

# An earlier run ended before it knew whether somebody could still come in.
[ ! -x /usr/local/sbin/berth-access ] || sudo berth-access undo

differs() { ! sudo cmp --silent "$1" - <<<"$2"; }
has_changed() { grep --quiet --line-regexp --extended-regexp "$1" <<<"$changed"; }

# shellcheck disable=SC2086 # Names with spaces between.
install_packages $PACKAGES

while IFS= read -r path; do
  content=$(jq --raw-output --arg path "$path" '.[$path].content' <<<"$FILES")
  mode=$(jq --raw-output --arg path "$path" '.[$path].mode' <<<"$FILES")
  # Command substitution takes the last newline away; the here-string brings one back.
  differs "$path" "$content" || continue
  [ "$path" != "$SSHD_CONFIG" ] || continue
  sudo install -D --mode "$mode" /dev/stdin "$path" <<<"$content"
  changed+="$path"$'\n'
done < <(jq --raw-output 'keys_unsorted[]' <<<"$FILES")

! has_changed '/etc/systemd/system/.*|/usr/local/sbin/berth-metadata-guard' || sudo systemctl daemon-reload
! has_changed '.*berth-prune-images.timer' || sudo systemctl enable --quiet --now berth-prune-images.timer
! has_changed '/etc/tmpfiles.d/.*' || sudo systemd-tmpfiles --create "$FILE_MODES"
if has_changed '/etc/sysctl.d/.*'; then
  said=$(sudo /usr/lib/systemd/systemd-sysctl "$KERNEL_SETTINGS" 2>&1) || fail "the kernel refuses its settings: $said"
fi
! has_changed '.*journald.*' || sudo systemctl restart systemd-journald
! has_changed '.*berth-metadata-guard.*' || {
  sudo systemctl enable --quiet berth-metadata-guard.service
  sudo systemctl restart berth-metadata-guard.service
}
if has_changed '/etc/fail2ban/.*|.*fail2ban\.service\.d.*'; then
  said=$(sudo fail2ban-client -t 2>&1) || fail "fail2ban refuses its settings: $(tail -n 3 <<<"$said")"
  sudo systemctl restart fail2ban
fi
# dockerd takes new settings when it starts, which stops every service of the host: that is ops restart-docker's, not an up's.
! has_changed /etc/docker/daemon.json || sudo touch "$DOCKER_RESTART_PENDING"

if mountpoint --quiet "$DATA_VOLUME"; then
  device=$(findmnt --noheadings --output SOURCE "$DATA_VOLUME")
  read -r blocks size <<<"$(sudo dumpe2fs -h "$device" 2>/dev/null | awk -F: '/^Block count/ { count = $2 } /^Block size/ { size = $2 } END { printf "%.0f %.0f\n", count, size }')"
  # A part of a group at the end may stay unused.
  if [ $((blocks * size + 134217728)) -le "$(sudo blockdev --getsize64 "$device")" ]; then
    said=$(sudo resize2fs "$device" 2>&1) || fail "the file system of $DATA_VOLUME cannot be enlarged: $said"
  fi
fi

sshd=$(jq --raw-output --arg path "$SSHD_CONFIG" '.[$path].content' <<<"$FILES")
if differs "$SSHD_CONFIG" "$sshd" || differs "$keys" "$AUTHORIZED_KEYS"; then
  sudo mkdir -p -m 0700 "$saved"
  sudo tar --create --directory / "${SSHD_CONFIG#/}" "${keys#/}" | sudo tar --extract --directory "$saved"
  sudo systemctl stop berth-access-undo.timer 2>/dev/null || true
  sudo systemd-run --quiet --collect --on-active="$UNDO_SECONDS" --unit=berth-access-undo /usr/local/sbin/berth-access undo
  sudo tee "$SSHD_CONFIG" >/dev/null <<<"$sshd"
  sudo tee "$keys" >/dev/null <<<"$AUTHORIZED_KEYS"
  if ! said=$(sudo sshd -t 2>&1); then
    sudo berth-access undo
    fail "sshd refuses its settings: $said"
  fi
  # Ubuntu lets systemd listen, on ports of its own.
  if systemctl is-enabled --quiet ssh.socket 2>/dev/null; then
    sudo systemctl disable --quiet --now ssh.socket
    sudo systemctl enable --quiet ssh.service
    sudo systemctl restart ssh.service
  fi
  sudo systemctl reload ssh
  echo "on trial"
fi
