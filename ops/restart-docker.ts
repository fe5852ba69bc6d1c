import type { Backend } from "./backend.ts";
import { hostName, hostNamed, hostsOf } from "./host-access.ts";
import { type RunCommand, runCommand } from "./run.ts";

/** Seconds that services have until they run again. */
const deadlineSeconds = 300;

const script = `set -euo pipefail
began=$SECONDS
# Docker before 23, Debian 12's, cannot check them.
if dockerd --help 2>&1 | grep -q -- --validate && ! said=$(sudo dockerd --validate --config-file /etc/docker/daemon.json 2>&1); then
  echo "dockerd refuses /etc/docker/daemon.json: $said" >&2
  exit 1
fi
sudo systemctl restart docker
# Containers, and not what the Swarm says: for some time it still reports the tasks of before as running.
behind() {
  docker service ls --format '{{.Name}} {{.Replicas}}' 2>&1 | while read -r name replicas rest; do
    healthy=$(docker ps --filter "label=com.docker.swarm.service.name=$name" --format '{{.Status}}' | grep -c -v -E 'unhealthy|starting' || true)
    [ "$healthy" -ge "\${replicas#*/}" ] || echo "$name: $healthy of \${replicas#*/} healthy;"
  done
}
until said=$(behind) && [ -z "$said" ] && docker service ls --quiet | grep -q .; do
  if [ $((SECONDS - began)) -ge ${deadlineSeconds} ]; then
    echo "Docker was started again, and after ${deadlineSeconds} s these do not run: $said" >&2
    exit 1
  fi
  sleep 0.5
done
echo $((SECONDS - began))
`;

/**
 * Starts a host's dockerd again, which makes its settings take effect and stops every service of the host until it runs again.
 * @returns what was done, a sentence
 * @throws when there is no such host, when dockerd refuses its settings (nothing is stopped then), or when services do not come back
 */
export async function restartDocker(
  backend: Backend,
  name: string,
  run: RunCommand = runCommand,
): Promise<string> {
  const hosts = hostsOf(await backend.read(), run);
  const host = hostNamed(hosts, name);
  if (host === undefined) {
    const known = hosts.map(hostName).join(", ") || "none yet";
    throw new Error(`no host "${name}" in the state; use one of: ${known}`);
  }
  const seconds = (await host.run(script, deadlineSeconds + 60)).trim();
  return `${name}: Docker was started again with its settings, and all services run; it took ${seconds} s.`;
}
