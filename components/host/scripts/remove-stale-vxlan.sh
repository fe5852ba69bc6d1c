#!/bin/bash
# Runs before dockerd starts. dockerd takes the VXLAN link of an overlay network out of its namespace and deletes it on the host
# (moby, libnetwork/drivers/overlay/ov_network.go, destroySandbox). When it ends in between, the link stays, and no container of that
# network starts again: "error creating vxlan interface: file exists", https://github.com/moby/libnetwork/issues/1765.
set -euo pipefail
ip -oneline link show type vxlan | { grep --only-matching --extended-regexp '\bvx-[0-9a-f]{6}-[0-9a-z]{5}\b' || true; } |
  while read -r link; do
    ip link delete "$link"
    echo "removed $link, which an earlier dockerd left behind"
  done
