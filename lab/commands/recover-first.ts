import { existsSync, readFileSync } from "node:fs";
import type { Backend } from "../../ops/backend.ts";
import { parseDeployment, pendingOperations } from "../../ops/deployment.ts";
import { recover, renderRecovery } from "../../ops/recover.ts";
import type { Progress } from "../contracts.ts";
import { breakLock, describeLock, isStale, readLock } from "../engine/index.ts";
import type { StackConfiguration } from "../stack/configuration.ts";
import { writePrivateFile } from "../stack/private-file.ts";
import { type LabContext, stateFile } from "./context.ts";

/** The state and lock that the lab's own engine keeps, as recovery wants to see them. */
export function labBackend(path: string, stack: string): Backend {
  return {
    stack,
    description: `the stack ${stack} of the lab`,
    async lock() {
      const lock = readLock(path);
      return lock === undefined ? undefined : { ...lock, since: lock.startedAt };
    },
    async removeLock() {
      breakLock(path);
    },
    async read() {
      return parseDeployment(readFileSync(path, "utf8"));
    },
    async write(deployment) {
      writePrivateFile(path, JSON.stringify(deployment, undefined, 2));
    },
  };
}

/**
 * Puts in order what a killed run left, when it left something: a stale lock or an operation without an end. Prints what
 * it found and did.
 * @throws when somebody else is deploying, or when something could not be put in order.
 */
export async function recoverFirst(
  context: LabContext,
  stack: string,
  engine: string,
  configuration: StackConfiguration,
  progress: Progress,
  print: (text: string) => void = (text) => console.log(text),
): Promise<void> {
  // A real engine keeps its own state, and its own command recovers it: npm run ops -- recover.
  if (engine !== "lab") return;
  const path = stateFile(context, stack);
  const lock = readLock(path);
  if (lock !== undefined && !isStale(lock)) throw new Error(describeLock(lock));
  const pending =
    existsSync(path) && pendingOperations(parseDeployment(readFileSync(path, "utf8"))).length > 0;
  if (lock === undefined && !pending) {
    progress("nothing: no lock, no interrupted operation");
    return;
  }
  if (!existsSync(path)) {
    breakLock(path);
    print(`An earlier run of ${lock?.owner} was killed before it did anything: its deploy lock is removed.`);
    return;
  }
  const { "hcloud:token": token = "", "hcloud:endpoint": endpoint = "" } = configuration.config;
  const report = await recover({ backend: labBackend(path, stack), cloud: { endpoint, token }, progress });
  print(`An earlier run was interrupted. What was found and done:\n${renderRecovery(report)}`);
  if (!report.ok) throw new Error("recovery could not put everything in order; see the table above");
}
