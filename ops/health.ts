import { type Deployment, isObject, type JsonObject, resources, textOf } from "./deployment.ts";
import type { HostAccess } from "./host-access.ts";

export interface SystemHealth {
  readonly system: string;
  /** The body of its answer, or the status where there is none. */
  readonly answer: string;
}

/** Each system's health, requested on its own host: through the edge, by its domain, without DNS. */
export async function health(deployment: Deployment, hosts: readonly HostAccess[]): Promise<SystemHealth[]> {
  const stack = resources(deployment).find(({ type }) => type === "pulumi:pulumi:Stack");
  const systems = stack?.outputs?.systems;
  if (!isObject(systems)) return [];
  return Promise.all(
    Object.entries(systems).flatMap(([system, value]) => {
      const output: JsonObject = isObject(value) ? value : {};
      const url = textOf(output, "healthUrl");
      const host = hosts.find(({ provider }) => provider === `${textOf(output, "host")}-docker`);
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
