# shellcheck shell=bash
# Waits until cloud-init is done and Docker's Swarm answers, then mounts the data volume and makes the host's folders. After a start of the
# machine it waits for its services too.
# Runs after swarm.sh. VOLUME_DEVICE, DATA_VOLUME and EDGE_DIRECTORY are parameters. Another IPV6 or SERVER_TYPE makes this wait again: the server was powered off for it.
status=$(cloud-init status --wait 2>&1) || true
case $status in
  *"status: done"*) ;;
  *) fail "cloud-init did not finish: $(tr '\n' ' ' <<<"$status") $(sudo grep -h -E 'ERROR|WARNING|Traceback' /var/log/cloud-init.log | tail -n 5)" ;;
esac

command -v docker >/dev/null || fail "Docker is not installed on the host. cloud-init installs docker.io: see /var/log/cloud-init-output.log"
# A Docker that has lost its Swarm gets one as at the first boot. What ran in the old one is nothing that a new one would end.
if [ "$(docker info --format '{{.Swarm.LocalNodeState}}' 2>/dev/null)" = inactive ]; then
  docker ps --all --quiet --filter label=com.docker.swarm.task.id | xargs --no-run-if-empty docker rm --force >/dev/null
  make_swarm
fi
for _ in $(seq 60); do
  swarm=$(docker info --format '{{.Swarm.LocalNodeState}}' 2>&1) && [ "$swarm" = active ] && break
  sleep 1
done
[ "$swarm" = active ] || fail "Docker's Swarm is not active on the host after 60 seconds: $swarm"

for _ in $(seq 30); do
  [ -b "$VOLUME_DEVICE" ] && break
  sleep 1
done
[ -b "$VOLUME_DEVICE" ] || fail "the data volume is not attached: no $VOLUME_DEVICE after 30 seconds"
if ! mountpoint -q "$DATA_VOLUME"; then
  sudo mkdir -p "$DATA_VOLUME"
  grep -q " $DATA_VOLUME " /etc/fstab ||
    printf '%s %s ext4 discard,nofail,defaults 0 0\n' "$VOLUME_DEVICE" "$DATA_VOLUME" | sudo tee -a /etc/fstab >/dev/null
  sudo mount "$DATA_VOLUME"
fi
sudo install -d -m 0755 "$DATA_VOLUME" /var/lib/berth /var/lib/berth/sockets /var/backups
sudo install -d -m 0755 "$EDGE_DIRECTORY"

# Docker starts the services again after a power-off; what comes next asks for them. One that cannot start is named by what asks for it.
for _ in $(seq 60); do
  missing=
  while read -r service replicas; do
    case $replicas in */0*) continue ;; esac
    [ -n "$(service_containers "$service")" ] || missing=$service
  done < <(docker service ls --filter mode=replicated --filter mode=global --format '{{.Name}} {{.Replicas}}' 2>/dev/null)
  [ -n "$missing" ] || break
  sleep 1
done
