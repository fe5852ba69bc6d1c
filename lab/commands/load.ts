import { readFileSync } from "node:fs";
import { runLoadCommand } from "../load/index.ts";
import { authorityFile } from "../stack/certificate.ts";
import { type LabContext, type StackOptions, stateFile } from "./context.ts";
import { readOutputs } from "./outputs.ts";

export interface LoadOptions extends StackOptions {
  readonly rate: number;
  readonly seconds: number;
  readonly clients: number;
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
  const report = await runLoadCommand({
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
