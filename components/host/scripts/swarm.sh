# shellcheck shell=bash
# make_swarm: a Swarm of one node. Its own port stays on loopback: nobody else to talk to.
make_swarm() {
  docker swarm init --advertise-addr 127.0.0.1 --listen-addr 127.0.0.1:2377 --task-history-limit 2 >/dev/null
}
