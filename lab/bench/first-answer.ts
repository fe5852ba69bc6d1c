import { setTimeout as sleep } from "node:timers/promises";
import { loadMix } from "../apps/index.ts";
import { readOutputs } from "../commands/outputs.ts";
import { askHealth } from "../commands/status.ts";
import type { LabHome } from "../home.ts";

/** How exact the time to the first answer of a version is. */
const pollMilliseconds = 100;

/**
 * Seconds from now until a system first answers from outside as a version, while `work` brings it; undefined when nobody saw that, or when
 * nothing in the system's load says its version.
 * @param stateFile of the deployment that `work` changes
 * @throws when the system is not deployed yet, and what `work` throws
 */
export async function secondsUntilAnswer<T>(
  about: {
    readonly home: LabHome;
    readonly stateFile: string;
    readonly system: string;
    readonly version: string;
  },
  work: () => Promise<T>,
): Promise<{ readonly seconds: number | undefined; readonly result: T }> {
  const { home, stateFile, version } = about;
  const { hosts, systems } = readOutputs(stateFile);
  const system = systems[about.system];
  if (system === undefined) throw new Error(`no ${about.system} in ${stateFile}`);
  const where = loadMix(about.system).find(({ version }) => version !== undefined)?.version;
  const began = performance.now();
  let seconds: number | undefined;
  let ended = false;
  const watching = (async () => {
    while (where !== undefined && seconds === undefined && !ended) {
      const { text, headers = {} } = await askHealth(home, system, hosts[system.host]?.address ?? "");
      const said = "header" in where ? headers[where.header] : /"version":"([^"]*)"/.exec(text)?.[1];
      if (said === version) seconds = (performance.now() - began) / 1000;
      else await sleep(pollMilliseconds);
    }
  })();
  try {
    const result = await work();
    ended = true;
    await watching;
    return { seconds, result };
  } finally {
    ended = true;
  }
}
