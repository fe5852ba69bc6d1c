import { readFileSync } from "node:fs";
import { loadMix } from "../apps/index.ts";
import { runLoadCommand } from "../load/index.ts";
import { authorityFile } from "../stack/certificate.ts";
import { type LabContext, type StackOptions, stateFile } from "./context.ts";
import { readOutputs } from "./outputs.ts";

interface LoadOptions extends StackOptions {
  readonly rate: number;
  readonly seconds: number;
  readonly clients: number;
  /** Read in turn in the place of the stand-in's mix, for another image. */
  readonly path?: readonly string[];
  readonly json?: boolean;
}

/**
 * Runs the open-loop load against a system of the lab.
 * @returns false when a request failed.
 * @throws when there is no such system.
 */
export async function loadCommand(context: LabContext, name: string, options: LoadOptions): Promise<boolean> {
  const { hosts, systems } = readOutputs(stateFile(context, options.stack));
  const system = systems[name];
  const address = system === undefined ? undefined : hosts[system.host]?.address;
  if (system === undefined || address === undefined) {
    const known = Object.keys(systems).join(", ");
    throw new Error(
      `no system "${name}" of the stack ${options.stack} runs in this lab; ${known === "" ? "none does: npm run lab -- up" : `running: ${known}`}`,
    );
  }
  // A system without stand-ins is asked how it is.
  const { pathname, search } = new URL(system.healthUrl);
  const mix = loadMix(name);
  const report = await runLoadCommand({
    requests: mix.length > 0 ? mix : [{ method: "GET", path: pathname + search, expect: [200] }],
    home: context.home,
    system: name,
    address,
    domain: system.domain,
    caPem: readFileSync(authorityFile(context.home), "utf8"),
    rate: options.rate,
    seconds: options.seconds,
    clients: options.clients,
    ...(options.path === undefined ? {} : { paths: options.path }),
    json: options.json ?? false,
  });
  return report.failures === 0;
}
