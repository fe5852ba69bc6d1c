# shellcheck shell=bash
# What a team's pipeline runs on the host of a compose setup: migrations, docker stack deploy, wait for its result, reload
# nginx when its configuration requires it. Runs after the hooks.sh of the SYSTEM; VERSION, REGISTRY, RELOAD (yes or no) and WAIT_SECONDS
# are parameters too.
set -euo pipefail
cd ~/"$SYSTEM"
set -a
# shellcheck source=/dev/null
. ./.env
set +a
export VERSION REGISTRY
image=$REGISTRY/$SYSTEM/app:$VERSION

update() { docker service inspect --format '{{with .UpdateStatus}}{{.State}} {{.StartedAt}} {{.Message}}{{end}}' "${SYSTEM}_app" 2>/dev/null || true; }
edge() { docker ps --quiet --filter "label=com.docker.swarm.service.name=${SYSTEM}_nginx" --filter status=running | head -n 1; }
tasks() { docker service ps --no-trunc --filter desired-state=running --format '{{.Image}} {{.CurrentState}}' "${SYSTEM}_app"; }

before_deploy
before=$(update)
began=$SECONDS
docker stack deploy --compose-file stack.yml --resolve-image never "$SYSTEM"
serving=
while [ "$SECONDS" -lt "$WAIT_SECONDS" ]; do
  now=$(update)
  if [ "$now" != "$before" ]; then
    case $now in
      paused* | rollback_completed* | rollback_paused*)
        echo "the update failed: $now"
        exit 1
        ;;
    esac
  fi
  # Running means healthy. The name has a new address now, which nginx looks up when it reads its configuration.
  # An nginx that cannot resolve the name restarts until it can.
  if [ -z "$serving" ] && grep -q "^$image Running" <<<"$(tasks)"; then
    if [ "$RELOAD" = yes ] && ! docker exec "$(edge)" nginx -s reload; then
      sleep 0.5
      continue
    fi
    serving=yes
    # This setup does not react to a failed update, so there is nothing to wait for.
    if [ "$RELOAD" = yes ]; then
      echo "deployed $VERSION"
      exit 0
    fi
  fi
  # Swarm forgets the last update's outcome when a file that changes nothing is deployed again.
  if { [ "$now" = "$before" ] || [ -z "$now" ]; } && [ -n "$serving" ] && [ $((SECONDS - began)) -ge 10 ]; then
    echo "deployed $VERSION: there was nothing to update"
    exit 0
  fi
  if [ "$now" != "$before" ] && [[ $now == completed* ]]; then
    echo "deployed $VERSION: $now"
    exit 0
  fi
  sleep 0.5
done
echo "not converged after $WAIT_SECONDS seconds: $(tasks)"
exit 1
