import { readFileSync } from "node:fs";
import { loadMix } from "../apps/index.ts";
import { type LoadRequest, runLoadCommand } from "../load/index.ts";
import { authorityFile } from "../stack/certificate.ts";
import { type LabContext, type StackOptions, stateFile } from "./context.ts";
import { readOutputs } from "./outputs.ts";

interface LoadOptions extends StackOptions {
  readonly rate: number;
  readonly seconds: number;
  readonly clients: number;
  /** Paths requested in turn instead of the stand-in's requests, for another image. */
  readonly path?: readonly string[];
  /** Over IPv6. */
  readonly ipv6?: boolean;
  readonly json?: boolean;
}

/**
 * Runs the open-loop load against a system of the lab.
 * @returns false when a request failed.
 * @throws when the system does not run.
 */
export async function loadCommand(context: LabContext, name: string, options: LoadOptions): Promise<boolean> {
  const { hosts, systems } = readOutputs(stateFile(context, options.stack));
  const system = systems[name];
  const host = system === undefined ? undefined : hosts[system.host];
  const address = options.ipv6 ? host?.ipv6 : host?.address;
  if (system !== undefined && host !== undefined && address === undefined) {
    throw new Error(
      `${system.host} has no IPv6: npm run lab -- up --set berth:hosts.${system.host}.ipv6=true`,
    );
  }
  if (system === undefined || address === undefined) {
    const known = Object.keys(systems).join(", ");
    throw new Error(
      `no system "${name}" of the stack ${options.stack} runs in this lab; ${known === "" ? "no system does; start one: npm run lab -- up" : `running: ${known}`}`,
    );
  }
  const report = await runLoadCommand({
    requests: requestsFor(name, system.healthUrl, options.path),
    home: context.home,
    system: name,
    address,
    domain: system.domain,
    caPem: readFileSync(authorityFile(context.home), "utf8"),
    rate: options.rate,
    seconds: options.seconds,
    clients: options.clients,
    json: options.json ?? false,
  });
  return report.failures === 0;
}

/** The given paths, otherwise the requests that the system's stand-ins declare, otherwise the health check. */
function requestsFor(
  system: string,
  healthUrl: string,
  asked: readonly string[] | undefined,
): readonly LoadRequest[] {
  const mix = loadMix(system);
  if (asked === undefined && mix.length > 0) return mix;
  const { pathname, search } = new URL(healthUrl);
  const paths = asked ?? [pathname + search];
  return paths.map((path) => ({ method: "GET", path, expect: [200], version: { field: "version" } }));
}
