import { hostPaths } from "../components/host/paths.ts";
import { readScript } from "../components/host/script.ts";
import { hostItself } from "../components/host/stored-data.ts";
import { renderTable } from "../components/table.ts";
import { age, type Backend } from "./backend.ts";
import { size } from "./database.ts";
import type { Deployment } from "./deployment.ts";
import { type HostAccess, hostName, hostNamed, hostOfSystem, hostsOf, quote } from "./host-access.ts";
import { type PointInTimeRecord, type Recovered, renderWindows } from "./point-in-time.ts";
import type { RunCommand } from "./run.ts";

/** A backup in the store. */
export interface BackupEntry {
  readonly id: string;
  /** When it was sent. */
  readonly time: string;
  /** `database togather_postgres/togather`, `folder /mnt/data/registry/server`. */
  readonly source: string;
  /** Of the dump, or of the folder's files, before the store's compression. */
  readonly bytes: number;
}

interface Attempt {
  /** When it went well last. */
  readonly ok?: string;
  readonly attempt: string;
  /** What is wrong, empty when nothing is. */
  readonly problem: string;
}

/** What a host records of the backups of one system, or of its own. */
export interface BackupRecord {
  readonly of: string;
  readonly host: string;
  /** What is wrong, as the host's alerts say it too: components/backup/scripts/problems.jq. */
  readonly problems: readonly string[];
  readonly backup?: { readonly attempt: string; readonly problem: string };
  readonly sources?: Readonly<Record<string, Attempt & { readonly id?: string; readonly bytes?: number }>>;
  readonly drills?: Readonly<
    Record<
      string,
      Attempt & {
        readonly id?: string;
        readonly rows?: number;
        readonly rpoSeconds?: number;
        readonly rtoSeconds?: number;
      }
    >
  >;
  /** By Postgres server, where `berth:backups.pointInTime` is declared. */
  readonly pointInTime?: Readonly<Record<string, PointInTimeRecord>>;
}

/** What the first of several on a host may take, until the last one has its turn. */
const longSeconds = 6 * 3600;
const shortSeconds = 600;

/** The script on the host that does all of it; see components/backup/scripts/main.sh. */
export class Backups {
  readonly of: string;
  readonly #host: HostAccess;
  readonly #backend: Backend;

  constructor(of: string, host: HostAccess, backend: Backend) {
    this.of = of;
    this.#host = host;
    this.#backend = backend;
  }

  /** Everything now. @returns what the host says of each part; @throws when one failed. */
  take(): Promise<string> {
    return this.#run(["take"], longSeconds);
  }

  async list(): Promise<readonly BackupEntry[]> {
    return JSON.parse(await this.#run(["list"], shortSeconds)) as BackupEntry[];
  }

  /**
   * Restores the newest backup of each database into a throwaway server and checks it.
   * @param fewerRows acknowledges that much was deleted since the last good drill
   */
  drill(fewerRows: boolean): Promise<string> {
    return this.#run(["drill", fewerRows ? "yes" : "no"], longSeconds);
  }

  /** Puts a backup of a database among the snapshots on its host. @returns its name there. */
  async fetch(id: string, database: { readonly server: string; readonly name: string }): Promise<string> {
    if (!/^[0-9a-f]{8,64}$/.test(id))
      throw new Error(`"${id}" is not a backup; ${this.#backend.opsCommand} backups ${this.of} lists them`);
    const words = ["fetch", id.slice(0, 8), `database ${database.server}/${database.name}`];
    return (await this.#run(words, longSeconds)).trim();
  }

  /**
   * Brings a database back to a time, and puts it among the snapshots on its host.
   * @param at in UTC, to the second
   * @throws with the times that it can be brought back to, when this is none of them
   */
  async recover(
    at: string,
    database: { readonly server: string; readonly name: string },
  ): Promise<Recovered> {
    return JSON.parse(
      await this.#run(["recover", database.server, database.name, at], longSeconds),
    ) as Recovered;
  }

  /** What is recorded of it, nothing where it is not backed up yet. */
  async record(): Promise<Omit<BackupRecord, "of" | "host">> {
    const path = quote(hostPaths.backupRecord(this.of));
    return JSON.parse(await this.#host.run(`cat ${path} 2>/dev/null || echo '{}'\n`, 30));
  }

  #run(words: readonly string[], timeoutSeconds: number): Promise<string> {
    const script = hostPaths.backupScript(this.of);
    const missing = `there are no backups of ${this.of}: set berth:backups and run up (docs/runbooks/backups.md)`;
    return this.#host.run(
      `[ -x ${quote(script)} ] || { echo ${quote(missing)} >&2; exit 1; }\n${[script, ...words].map(quote).join(" ")} 8<&- </dev/null\n`,
      timeoutSeconds,
    );
  }
}

/**
 * The backups of a system, or of a host by its name.
 * @throws when there is no such system, and no such host
 */
export async function backupsOf(backend: Backend, of: string, run: RunCommand): Promise<Backups> {
  const deployment = await backend.read();
  const host = hostNamed(hostsOf(deployment, run), of);
  return host === undefined
    ? new Backups(of, hostOfSystem(deployment, of, run), backend)
    : new Backups(hostItself(of), host, backend);
}

export function renderBackups(entries: readonly BackupEntry[]): string {
  if (entries.length === 0) return "There are no backups in the store yet.";
  return renderTable(
    ["backup", "age", "size", "of"],
    entries.toReversed().map(({ id, time, bytes, source }) => [id, age(time), size(bytes), source]),
  );
}

const problemRules = readScript(import.meta.url, "../components/backup/scripts/problems.jq");

/** What each host records. Hosts without backups have none. */
export async function readBackupRecords(deployment: Deployment, run: RunCommand): Promise<BackupRecord[]> {
  const filter = `${problemRules} . + { of: $of } | . + { problems: [problems | .says] }`;
  const script = `for file in ${hostPaths.backupRecords}/*.json; do
  [ ! -e "$file" ] || jq --compact-output --arg of "$(basename "$file" .json)" --argjson now "$(date +%s)" ${quote(filter)} "$file"
done
`;
  const found = await Promise.all(
    hostsOf(deployment, run).map(async (host) =>
      (await host.run(script, 30))
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => ({ ...JSON.parse(line), host: hostName(host) }) as BackupRecord),
    ),
  );
  return found.flat();
}

/** Whether a drill restores it: neither a folder nor Pulumi's state. */
const isServer = (source: string) => !/^(folder|state) /.test(source);

/** What a host calls the drill of a Postgres server's point in time. */
const pointInTimeDrill = (server: string) => `point in time ${server}`;

/** What can be brought back, by server; empty where point in time is not declared. */
export function renderPointInTime(records: readonly Omit<BackupRecord, "host">[]): string {
  return renderWindows(
    records.flatMap(({ of, pointInTime = {}, drills = {} }) =>
      Object.entries(pointInTime).map(([server, record]) => {
        const drilled = drills[pointInTimeDrill(server)]?.ok;
        return { of, server, record, ...(drilled === undefined ? {} : { drilled }) };
      }),
    ),
  );
}

/** What is wrong with the backups of a stack, one sentence each. */
export const backupProblems = (records: readonly BackupRecord[]): string[] =>
  records.flatMap(({ problems }) => problems);

export function renderBackupRecords(records: readonly BackupRecord[], problems: readonly string[]): string {
  if (records.length === 0) return "backups: none, nothing leaves the hosts (docs/runbooks/backups.md)";
  const rows = records.flatMap(({ of, sources = {}, drills = {} }) =>
    Object.entries(sources).map(([source, { ok, bytes, id }]) => {
      const { rpoSeconds, rtoSeconds, rows: counted, ok: drilled } = drills[source] ?? {};
      return [
        ...[of, source, id ?? "none", ok === undefined ? "never" : age(ok)],
        bytes === undefined ? "" : size(bytes),
        isServer(source) ? (drilled === undefined ? "never" : age(drilled)) : "",
        counted === undefined ? "" : String(counted),
        rpoSeconds === undefined ? "" : `${rpoSeconds} s`,
        rtoSeconds === undefined ? "" : `${rtoSeconds} s`,
      ];
    }),
  );
  const table = renderTable(
    ["backups of", "what", "newest", "age", "size", "restored in a drill", "rows", "RPO", "RTO"],
    rows,
  );
  const windows = renderPointInTime(records);
  const tables = windows === "" ? [table] : [table, windows];
  return [...tables, ...problems.map((problem) => `PROBLEM: ${problem}`)].join("\n");
}
