import {
  type CustomResourceOptions,
  type Input,
  log,
  mergeOptions,
  output,
  type Resource,
  ResourceHook,
} from "@pulumi/pulumi";
import { hostCommand } from "../host/command.ts";
import type { Connection } from "../host/connection.ts";
import { diskFloorMebibytes } from "../host/paths.ts";
import { type KeptData, type Restore, type StoredData, sourceOf } from "../host/stored-data.ts";
import {
  aboutDatabase,
  type BackupArgs,
  type BackupPlace,
  backupScripts,
  storeOpening,
  storeParameters,
  storeSecrets,
} from "./backup.ts";

/** What a restore says that it did. */
export interface Restored {
  readonly source: string;
  /** What was there already, so that nothing was done. */
  readonly left?: string;
  /** It begins empty, which was acknowledged. */
  readonly empty?: boolean;
  /** Backups that could not be restored, newest first. */
  readonly problems?: readonly { readonly id: string; readonly time: string; readonly said: string }[];
  /** The backup, and when it was written. */
  readonly id?: string;
  readonly written?: string;
  readonly tables?: number;
  /** Of a database, counted; of Redis, the keys that there were when it was written. */
  readonly rows?: number;
  readonly files?: number;
  /** How old the backup was: what is lost. */
  readonly rpoSeconds?: number;
  /** From the first look at what is there until it was there again. */
  readonly rtoSeconds?: number;
}

export interface RestoreArgs extends Omit<BackupArgs, "host" | "of" | "data" | "after"> {
  /** Sources that may begin empty: `berth:hosts.<name>.beginEmpty`. */
  readonly beginEmpty: readonly string[];
}

/** One source of a host, waiting for the host's other ones. */
const deadlineSeconds = 21_600;

/**
 * `restoreFrom: backups` of a host: each of its databases that has no table, each Redis server without files and each empty folder
 * is filled with the newest good backup before anything uses it. What is there is left alone, so nothing happens on a host that has its
 * data, and removing the setting changes nothing there. The run says for each: backup, age (RPO), time (RTO) and rows.
 *
 * Protects: a restored database takes the empty one's place only when it is what its manifest says; a damaged backup gives way to the one
 * before, which is said; a source without a backup fails the run unless `beginEmpty` names it. The store keeps what it has.
 * See docs/decisions/0026-a-host-begins-with-its-backups.md.
 */
export function restoreFromBackups(args: RestoreArgs): (connection: Connection, ready: Resource) => Restore {
  return (connection, ready) => (name, data, before, opts) =>
    hostCommand(
      name,
      {
        connection,
        script: restoreScript(),
        parameters: {
          ...restoreParameters(data, args),
          HOST: connection.host,
          BEGIN_EMPTY: args.beginEmpty.includes(sourceOf(data)) ? "yes" : "no",
        },
        secrets: storeSecrets(args.secrets),
        deadlineSeconds,
        answers: true,
        dependsOn: [ready, ...before],
      },
      mergeOptions(opts, saying(name)),
    );
}

/** Body of the script, after what all of its kind share. */
export function restoreScript(database?: string): string {
  return `${aboutDatabase(database)}\n${backupScripts("opening", "store", "drill", "redis", "restore")}`;
}

/** What that script is told of one source. */
export function restoreParameters(
  data: KeptData,
  place: Omit<BackupPlace, "of">,
): Record<string, string | number> {
  return {
    ...storeParameters({ ...place, of: data.of }),
    ...storeOpening(place.config),
    // Of database.sh, whose snapshots are none of a restore's.
    ...{
      KEEP: 1,
      FLOOR_MEBIBYTES: diskFloorMebibytes,
      DIRECTORY: storeParameters({ ...place, of: data.of }).SCRATCH,
    },
    SOURCE: sourceOf(data),
    KIND: data.kind,
    SERVER: data.kind === "folder" ? "" : data.server,
    OF_DATABASE: data.kind === "database" ? data.name : "",
    FOLDER: data.kind === "database" ? "" : data.path,
    OWNER: (data.kind === "folder" && data.owner) || "",
  };
}

/**
 * @throws when a name of `beginEmpty` is none of what the host keeps
 */
export function refuseUnknownSources(
  host: string,
  beginEmpty: readonly string[],
  stored: readonly StoredData[],
): void {
  const known = stored.map(sourceOf);
  const unknown = beginEmpty.filter((name) => !known.includes(name));
  if (unknown.length > 0)
    throw new Error(
      `berth:hosts.${host}.beginEmpty: ${unknown.map((name) => `"${name}"`).join(", ")}: nothing of ${host} is called so; use one of: ${known.join(", ") || "none, it keeps nothing"}`,
    );
}

function saying(name: string): CustomResourceOptions {
  const hook = new ResourceHook(`${name}-said`, ({ newOutputs }) => sayRestored(newOutputs?.stdout));
  return { hooks: { afterCreate: [hook], afterUpdate: [hook] } };
}

/**
 * Says what a restore's command answered, in the second line of its output: a warning, since what was written after the backup is lost.
 * A hook is given a secret output as an Output (Pulumi's runtime/callbacks.ts, outputtifySecrets).
 */
export function sayRestored(
  stdout: Input<string>,
  { warn, info }: Pick<typeof log, "warn" | "info"> = log,
): Promise<void> {
  const say = (text: string) => {
    const restored = JSON.parse(text.split("\n")[1] ?? "") as Restored;
    return (restored.left === undefined ? warn : info)(describeRestored(restored));
  };
  return new Promise((done, failed) => {
    output(stdout).apply((text) => Promise.resolve(text).then(say).then(done, failed));
  });
}

/** What a restore answered, in words. */
export function describeRestored({ source, left, empty, problems = [], ...restored }: Restored): string {
  if (left !== undefined) return `${source}: left alone, there are ${left}`;
  const skipped = problems
    .map(({ id, time, said }) => `\n  backup ${id} of ${time} could not be restored: ${said}`)
    .join("");
  if (empty === true)
    return `${source}: begins empty, as beginEmpty says; the store has no good backup of it${skipped}`;
  const { id, written, tables, rows, files, rpoSeconds, rtoSeconds } = restored;
  const keys = `${rows} keys when it was written`;
  const what =
    tables !== undefined ? `${tables} tables, ${rows} rows` : files === undefined ? keys : `${files} files`;
  return `${source}: restored from backup ${id} of ${written}: ${what}; RPO ${rpoSeconds} s, RTO ${rtoSeconds} s${skipped}`;
}
