import type { System } from "../components/system.ts";
import { type Deployment, isObject, type JsonObject, resources, textOf } from "./deployment.ts";
import { type HostAccess, hostNamed, quote } from "./host-access.ts";

/** What status asks of the services themselves. */

export interface SystemAnswer {
  readonly system: string;
  readonly question: string;
  readonly answer: string;
}

/** Asks what the systems' stack files declare: see {@link System.status}. What does not run says so. */
export async function systemAnswers(
  deployment: Deployment,
  hosts: readonly HostAccess[],
  definitions: readonly System[],
): Promise<SystemAnswer[]> {
  const stack = resources(deployment).find(({ type }) => type === "pulumi:pulumi:Stack");
  const systems = isObject(stack?.outputs?.systems) ? stack.outputs.systems : {};
  const asked = definitions.flatMap(({ name, status = [] }) => {
    const output = systems[name];
    const host = hostNamed(hosts, isObject(output) ? textOf(output, "host") : undefined);
    return host === undefined ? [] : status.map((question) => ({ system: name, host, question }));
  });
  return Promise.all(
    asked.map(async ({ system, host, question: { name, service, command } }) => {
      const container = `docker ps --quiet --filter label=berth.resource=${system}_${service} --filter status=running | head -n 1`;
      const said = await host.run(
        `container=$(${container})
if [ -z "$container" ]; then echo '${system}_${service} does not run'; exit; fi
timeout 10 docker exec "$container" ${command.map(quote).join(" ")} 2>&1 | head -c 500 || true
`,
        30,
      );
      return { system, question: name, answer: said.trim().replaceAll(/\s*\n/g, ", ") || "nothing" };
    }),
  );
}

export interface Usage {
  /** Of each container, with its limit, as `docker stats` counts it: `181MiB / 512MiB`. */
  readonly memory: string;
  /** Of each container, in percent of one processor: `12.50%`. */
  readonly processor: string;
}

/** What each service takes now, by the service's name. */
export async function usageOfServices(host: HostAccess): Promise<Map<string, Usage>> {
  const script = "docker stats --no-stream --format '{{.Name}} {{.CPUPerc}} {{.MemUsage}}'\n";
  const usage = new Map<string, Usage>();
  for (const line of (await host.run(script, 60)).split("\n")) {
    // A container of a Swarm service is called <service>.<task number>.<task id>.
    const [, service, processor, memory] = /^(\S+)\.\d+\.\w+ (\S+) (.+)$/.exec(line) ?? [];
    if (service === undefined || processor === undefined || memory === undefined) continue;
    const other = usage.get(service);
    usage.set(
      service,
      other === undefined
        ? { memory, processor }
        : { memory: `${other.memory}, ${memory}`, processor: `${other.processor}, ${processor}` },
    );
  }
  return usage;
}

/** By service: version and commit that the image's labels name. */
export async function imageVersions(host: HostAccess, stack: string): Promise<[string, string][]> {
  const label = (name: string) => `{{index .Config.Labels "org.opencontainers.image.${name}"}}`;
  const script = `docker service ls --quiet --filter 'label=berth.stack=${stack.replaceAll("'", "")}' |
  xargs --no-run-if-empty docker service inspect --format '{{.Spec.Name}} {{.Spec.TaskTemplate.ContainerSpec.Image}}' |
  while read -r name image; do
    printf '%s %s\n' "$name" "$(docker image inspect --format '${label("version")} ${label("revision")}' "$image" 2>/dev/null)"
  done
`;
  return (await host.run(script, 30))
    .split("\n")
    .filter((line) => line !== "")
    .map((line): [string, string] => {
      const [name = "", version = "", revision = ""] = line.split(" ");
      return [name, revision === "" ? version : `${version} (${revision.slice(0, 7)})`];
    });
}

/** Each system's health, requested on its own host: through the edge, by its domain, without DNS. */
export async function health(
  deployment: Deployment,
  hosts: readonly HostAccess[],
): Promise<{ readonly system: string; readonly answer: string }[]> {
  const stack = resources(deployment).find(({ type }) => type === "pulumi:pulumi:Stack");
  const systems = stack?.outputs?.systems;
  if (!isObject(systems)) return [];
  return Promise.all(
    Object.entries(systems).flatMap(([system, value]) => {
      const output: JsonObject = isObject(value) ? value : {};
      const url = textOf(output, "healthUrl");
      const host = hostNamed(hosts, textOf(output, "host"));
      if (url === undefined || host === undefined || !/^https:\/\/[a-z0-9.-]+\/[\w./-]*$/.test(url))
        return [];
      const script = `curl --silent --show-error --insecure --max-time 10 --write-out ' %{http_code}' --resolve ${new URL(url).hostname}:443:127.0.0.1 '${url}' 2>&1 || true\n`;
      return [
        host.run(script, 20).then((said) => {
          // A healthy response may have no body.
          const [, body = said, code = ""] = /^(.*) (\d{3})$/s.exec(said.trim()) ?? [];
          return { system, answer: (body.trim() || code).slice(0, 500) };
        }),
      ];
    }),
  );
}
