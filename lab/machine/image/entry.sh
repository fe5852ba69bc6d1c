#!/bin/sh
# First process of a machine. Waits until the lab has put its firewall and volumes in place, then becomes systemd.
set -eu

# Docker gives read-only views; a machine's systemd and Docker write there, each below its own group.
writable() {
  mount -o remount,bind,rw "$1"
  test -w "$1" || mount -o remount,rw "$1"
}
writable /sys
for mounted in /sys/fs/cgroup /sys/fs/cgroup/*; do
  if mountpoint -q "$mounted"; then writable "$mounted"; fi
done

deadline=3000
while [ ! -e /run/berth-go ]; do
  deadline=$((deadline - 1))
  if [ "$deadline" -le 0 ]; then
    echo "the lab did not finish preparing this machine within 60 s" >&2
    exit 1
  fi
  sleep 0.02
done

# Containers of a machine would not see Docker's own resolver on loopback: a plain one, as Hetzner's machines have.
printf 'nameserver %s\n' "$BERTH_GATEWAY" > /etc/resolv.conf

# The lab's authority, trusted as a package would do it, without the second that update-ca-certificates takes.
authority=/var/lib/cloud/seed/nocloud/ca.crt
trusted=/usr/local/share/ca-certificates/berth-lab.crt
if [ -f "$authority" ] && ! cmp -s "$authority" "$trusted"; then
  cp "$authority" "$trusted"
  cat "$authority" >> /etc/ssl/certs/ca-certificates.crt
  ln -sf "$trusted" "/etc/ssl/certs/$(openssl x509 -noout -hash -in "$trusted").0"
fi

# systemd ignores devices in fstab when it runs in a container: mount the volumes for it.
mount --all --types ext4,xfs || echo "not every volume of /etc/fstab could be mounted" >&2
unset BERTH_GATEWAY
exec /sbin/init
