#!/bin/bash
# Containers' traffic is forwarded, so Docker's own chain for users is the place; the host's own requests still pass.
set -euo pipefail
iptables -C DOCKER-USER -d 169.254.169.254/32 -j DROP 2>/dev/null ||
  iptables -I DOCKER-USER -d 169.254.169.254/32 -j DROP
