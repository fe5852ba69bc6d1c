# shellcheck shell=bash
# Written and run once by cloud-init, after swarm.sh: takes the new settings of sshd, the kernel and the journal, starts Docker with them and makes a one-node Swarm.
set -euo pipefail
systemctl daemon-reload
systemd-tmpfiles --create /etc/tmpfiles.d/berth.conf
/usr/lib/systemd/systemd-sysctl /etc/sysctl.d/90-berth.conf
systemctl restart systemd-journald
journalctl --flush
# Ubuntu lets systemd listen, on ports of its own.
! systemctl is-enabled --quiet ssh.socket 2>/dev/null || systemctl disable --now ssh.socket
systemctl enable ssh
systemctl restart ssh
systemctl enable --now docker
systemctl restart docker
systemctl enable --now berth-metadata-guard.service berth-prune-images.timer
systemctl restart fail2ban
[ "$(docker info --format '{{.Swarm.LocalNodeState}}')" = active ] || make_swarm
