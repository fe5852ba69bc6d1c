import type { Output, Resource } from "@pulumi/pulumi";
import type { Host } from "../host/host.ts";
import { Backup, type BackupArgs, type DrillResult } from "./backup.ts";

/**
 * One {@link Backup} for each system that keeps something on a host, and one for what the host keeps itself. Declared last: each
 * component has entered then what it keeps.
 * @param after what must be there before the first backup, by system: its release
 * @returns what the last drills that an `up` has run measured, by system
 */
export function hostBackups(
  host: Host,
  args: Omit<BackupArgs, "host" | "of" | "data" | "after">,
  after: Readonly<Record<string, Resource>>,
): Record<string, Output<Readonly<Record<string, DrillResult>>>> {
  const owners = [...new Set(host.stored.map(({ of }) => of))].sort();
  return Object.fromEntries(
    owners.map((of) => {
      const data = host.stored.filter((each) => each.of === of);
      const release = after[of];
      const before = release === undefined ? [] : [release];
      const backup = new Backup(`${of}-backup`, { ...args, host, of, data, after: before });
      return [of, backup.drilled];
    }),
  );
}
