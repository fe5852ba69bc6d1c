# shellcheck shell=bash
# ipv6 rules | follow | remove: leads IPv6 to the edge, which Docker publishes over IPv4. The edge's container gets a second cable to the host, with an
# address of its own; what comes to the host's public address at the edge's ports is translated to it (the destination alone, so that the client's address
# stays), and nothing else is forwarded. Docker knows nothing of it, whatever its version. Run as root by berth-ipv6.service.
# ADDRESS, PORTS, EDGE_ADDRESS and HOST_ADDRESS are parameters; see ipv6.ts.
link=berth-edge
card=berth-ipv6
chain=BERTH-EDGE

tables() { ip6tables --wait 10 "$@"; }

# jump TABLE CHAIN RULE…: first in the chain, once.
jump() {
  local table=$1 from=$2
  shift 2
  tables -t "$table" -C "$from" "$@" 2>/dev/null || tables -t "$table" -I "$from" "$@"
}

unjump() {
  local table=$1 from=$2
  shift 2
  while tables -t "$table" -D "$from" "$@" 2>/dev/null; do :; done
}

# each_jump COMMAND: where packets come to the rules. What comes to the ports and was not translated would reach Docker's own proxy, which shows the
# edge its bridge's address in the place of the client's.
each_jump() {
  "$1" nat PREROUTING -d "$ADDRESS" -j "$chain"
  "$1" nat OUTPUT -d "$ADDRESS" -j "$chain"
  "$1" filter INPUT -d "$ADDRESS" -p tcp -m multiport --dports "$PORTS" -j DROP
  "$1" filter FORWARD -j "$chain"
}

rules() {
  local device accepts
  device=$(ip -4 -oneline route show default | sed -n 's/.* dev \([^ ]*\).*/\1/p' | head -n 1)
  [ -n "$device" ] || fail "the host has no default route over IPv4, so its public network card is not known"
  # fail2ban bans there. Docker makes it for IPv6 from version 27 on.
  tables -N DOCKER-USER 2>/dev/null || true
  ip6tables-restore --wait 10 --noflush <<RULES
*nat
:$chain - [0:0]
-A $chain -p tcp -m multiport --dports $PORTS -j DNAT --to-destination $EDGE_ADDRESS
COMMIT
*filter
:$chain - [0:0]
-A $chain -j DOCKER-USER
-A $chain -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A $chain -o $link -d $EDGE_ADDRESS -p tcp -m multiport --dports $PORTS -m conntrack --ctstate DNAT -j ACCEPT
-A $chain -j DROP
COMMIT
RULES
  each_jump jump
  # cloud-init sets up the network at the first boot alone; an address that came later is set here.
  ip -6 -oneline address show to "$ADDRESS" | grep -q . || ip -6 address add "$ADDRESS/64" dev "$device" nodad
  ip -6 route show default | grep -q . || ip -6 route add default via fe80::1 dev "$device"
  # While no edge runs, a client hears so at once.
  ip -6 route replace unreachable "$HOST_ADDRESS/64" metric 4096
  # A host that forwards takes no route from its router any more, unless it is told to (kernel, ip-sysctl, accept_ra).
  accepts=/proc/sys/net/ipv6/conf/$device/accept_ra
  [ "$(cat "$accepts")" != 1 ] || echo 2 >"$accepts"
  echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
}

# attach CONTAINER: gives it the cable, unless it has it.
attach() {
  local process inside
  process=$(docker inspect --format '{{.State.Pid}}' "$1" 2>/dev/null) || return 0
  [ "${process:-0}" -gt 0 ] || return 0
  inside=(nsenter --target "$process" --net)
  if "${inside[@]}" ip -6 route show default dev "$card" 2>/dev/null | grep -q .; then return 0; fi
  ip link delete dev "$link" 2>/dev/null || true
  # Docker turns IPv6 off in a container whose networks have none.
  ip link add name "$link" type veth peer name "$card" netns "$process" &&
    "${inside[@]}" sh -c "echo 0 >/proc/sys/net/ipv6/conf/$card/disable_ipv6" &&
    ip -6 address add "$HOST_ADDRESS/64" dev "$link" nodad &&
    ip link set dev "$link" up &&
    "${inside[@]}" ip -6 address add "$EDGE_ADDRESS/64" dev "$card" nodad &&
    "${inside[@]}" ip link set dev "$card" up &&
    "${inside[@]}" ip -6 route replace default via "$HOST_ADDRESS" dev "$card" &&
    echo "IPv6 leads to the container ${1:0:12}"
}

# Ends when Docker does; the unit starts it again.
follow() {
  local container edges=(--filter label=berth.role=edge)
  exec 7< <(exec docker events --since "$(date +%s)" --filter type=container --filter event=start "${edges[@]}" --format '{{.ID}}')
  docker ps --quiet --no-trunc "${edges[@]}" | tac | while read -r container; do
    attach "$container" || echo "no IPv6 for the container ${container:0:12}" >&2
  done
  while read -r container <&7; do
    attach "$container" || echo "no IPv6 for the container ${container:0:12}" >&2
  done
  fail "Docker does not answer; trying again"
}

remove() {
  ip link delete dev "$link" 2>/dev/null || true
  each_jump unjump
  for table in nat filter; do
    tables -t "$table" -F "$chain" 2>/dev/null || true
    tables -t "$table" -X "$chain" 2>/dev/null || true
  done
  ip -6 route delete unreachable "$HOST_ADDRESS/64" metric 4096 2>/dev/null || true
  echo 0 >/proc/sys/net/ipv6/conf/all/forwarding
}

case ${1:-} in
  rules | follow | remove) "$1" ;;
  *) fail "usage: ipv6 rules | follow | remove" ;;
esac
