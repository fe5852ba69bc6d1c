import type { local } from "@pulumi/command";
import {
  ComponentResource,
  type ComponentResourceOptions,
  type Output,
  type Resource,
  unsecret,
} from "@pulumi/pulumi";
import { hostCommand, installedScript, readScript } from "../host/command.ts";
import { shellQuote } from "../host/connection.ts";
import type { Host } from "../host/host.ts";
import { deployUser } from "../host/host-files.ts";
import { diskFloorMebibytes, hostPaths } from "../host/paths.ts";
import type { StoredData } from "../host/stored-data.ts";
import { type BackupSecret, type BackupsConfig, type drillDays, heldSegments } from "./backup-config.ts";

export interface BackupArgs {
  readonly host: Host;
  /** What is backed up: a system's name, or `host-<name>`. */
  readonly of: string;
  readonly stack: string;
  readonly environmentName: string;
  readonly config: BackupsConfig;
  readonly secrets: Readonly<Record<BackupSecret, Output<string>>>;
  readonly data: readonly StoredData[];
  /** There before the first backup: a system's release. */
  readonly after: readonly Resource[];
}

/** What the last drill of a server's data that an `up` has run measured. */
export interface DrillResult {
  readonly id: string;
  readonly written: string;
  /** Of a database. */
  readonly tables?: number;
  /** Keys, of a Redis server. */
  readonly rows: number;
  /** How old the backup was: what would have been lost. */
  readonly rpoSeconds: number;
  /** How long it took until the database was there again and checked. */
  readonly rtoSeconds: number;
}

/** The first backup, and with it the packages; and the first drill. */
const firstDeadlineSeconds = 7200;
/** How long one waits for another of the same host. */
const waitSeconds = 14_400;
const unitDeadline = "6h";

/**
 * Backs up everything that a system keeps on its host, or that the host keeps itself, to a store elsewhere: daily by a timer of the host,
 * encrypted before it leaves (restic), read back, kept by age. A second timer restores the newest backup of each server into a throwaway
 * one, checks and measures it. An `up` that declares it for the first time, or changes it, does both at once, so that a store that
 * cannot be used and a backup that does not restore fail that run. Removing it leaves what is in the store. Where it is declared, a third
 * timer sends each Postgres server's write-ahead log, and a fourth a copy of its data folder (point in time).
 *
 * Why these tools, and what a stolen key of the host can do: docs/decisions/0018-backups-leave-the-host.md, 0025-point-in-time.md.
 */
export class Backup extends ComponentResource {
  /** By database, as the last drill of an `up` found it. */
  readonly drilled: Output<Readonly<Record<string, DrillResult>>>;

  /** @throws when a newest row is declared of a database that the system does not have */
  constructor(name: string, args: BackupArgs, opts?: ComponentResourceOptions) {
    super("berth:backup:Backup", name, {}, opts);
    const child = { parent: this };
    const { host, of, config, secrets } = args;
    const { connection } = host;
    const parameters = backupParameters(args);
    const script = installedScript(parameters, backupScript(), "arguments and input");
    const unit = hostPaths.backupUnit(of);
    const timers = units(unit, args);
    const installed = hostCommand(
      `${name}-timers`,
      {
        connection,
        script: backupScripts("opening", "install"),
        removeScript: readScript(import.meta.url, "./scripts/remove.sh"),
        parameters: {
          NAME: of,
          UNIT: unit,
          UNITS: JSON.stringify(timers, undefined, 1),
          SCRIPT: script,
          SCRIPT_PATH: hostPaths.backupScript(of),
          STORE_URL: parameters.STORE_URL,
          STORE_PREFIX: parameters.STORE_PREFIX,
          STORE_FILE: parameters.STORE_FILE,
          RECORD: parameters.RECORD,
          ...storeOpening(config),
          AUTHORITY_FILE: hostPaths.backupAuthority(of),
        },
        secrets: storeSecrets(secrets),
        files: [
          hostPaths.backupScript(of),
          hostPaths.backupStore(of),
          ...Object.keys(timers).map((each) => `/etc/systemd/system/${each}`),
        ],
        deadlineSeconds: firstDeadlineSeconds,
        dependsOn: [host.ready, ...args.data.flatMap((each) => each.after), ...args.after],
      },
      child,
    );
    const drill: local.Command = hostCommand(
      `${name}-drill`,
      {
        connection,
        script: readScript(import.meta.url, "./scripts/first-drill.sh"),
        parameters: {
          SCRIPT_PATH: hostPaths.backupScript(of),
          RECORD: parameters.RECORD,
          SOURCES: parameters.SOURCES,
          STORE: `${parameters.STORE_URL}/${parameters.STORE_PREFIX}`,
          REGION: config.store.region,
          NEWEST_QUERY: parameters.NEWEST_QUERY,
          // Only where it is declared: elsewhere nothing is drilled again for it.
          ...(parameters.WAL_MINUTES === 0 ? {} : { WAL_MINUTES: parameters.WAL_MINUTES }),
        },
        deadlineSeconds: firstDeadlineSeconds,
        answers: true,
        dependsOn: [installed],
      },
      child,
    );
    this.drilled = unsecret(drill.stdout).apply(
      (said) => JSON.parse(said.split("\n")[1] ?? "{}") as Record<string, DrillResult>,
    );
    this.registerOutputs();
  }
}

/** Body of the script on the host: scripts/main.sh says what can be asked of it. */
export function backupScript(database?: string): string {
  const points = `points_functions=${shellQuote(readScript(import.meta.url, "./scripts/points.jq"))}`;
  const scripts = backupScripts("store", "take", "drill", "redis", "point-in-time", "recover", "main");
  return [aboutDatabase(database), points, scripts].join("\n");
}

/** Scripts of this folder, one after the other. */
export function backupScripts(...names: readonly string[]): string {
  return names.map((name) => readScript(import.meta.url, `./scripts/${name}.sh`)).join("\n");
}

/** Each database by itself: database.sh names its files and locks after the one that it is about. */
export function aboutDatabase(
  database = readScript(import.meta.url, "../release/scripts/database.sh"),
): string {
  return ["about_database() {", "POSTGRES_SERVICE=$1 DATABASE=$2", database, "}"].join("\n");
}

/** Whose backups, and where they are. */
export type BackupPlace = Pick<BackupArgs, "of" | "stack" | "environmentName" | "config">;

/** What every script is told that works with the store. */
export function storeParameters({ of, stack, environmentName, config: { store } }: BackupPlace) {
  return {
    NAME: of,
    STACK: stack,
    // Of database.sh.
    SYSTEM: of,
    ENVIRONMENT_NAME: environmentName,
    SCRATCH: hostPaths.drill,
    DATA_VOLUME: hostPaths.dataVolume,
    RECORD: hostPaths.backupRecord(of),
    STORE_FILE: hostPaths.backupStore(of),
    AUTHORITY_FILE: store.trustedAuthorityPem === undefined ? "" : hostPaths.backupAuthority(of),
    STORE_URL: `${store.endpoint}/${store.bucket}`,
    STORE_PREFIX: `${stack}/${of}`,
    STORE_HOST: `${stack}-${of}`,
    WAIT_SECONDS: waitSeconds,
  };
}

/** What opening.sh is told beside that. */
export function storeOpening({ store }: BackupsConfig): Record<string, string> {
  return { REGION: store.region, AUTHORITY: store.trustedAuthorityPem ?? "" };
}

export function storeSecrets(secrets: BackupArgs["secrets"]): Record<string, Output<string>> {
  return {
    KEY_ID: secrets.backupsAccessKeyId,
    KEY: secrets.backupsSecretAccessKey,
    PASSWORD: secrets.backupsPassword,
  };
}

/** What that script is told. */
export function backupParameters(args: BackupPlace & Pick<BackupArgs, "data">) {
  const { of, config, data } = args;
  const { drill } = config;
  const keep = config.keepOf[of] ?? config.keep;
  const pointInTime = pointInTimeOf(config, data);
  const newest = drill.newest[of];
  const names = data.flatMap((each) => (each.kind === "database" ? [each.name] : []));
  const newestDatabase = newest && (newest.database ?? (names.length === 1 ? names[0] : undefined));
  if (newest !== undefined && (newestDatabase === undefined || !names.includes(newestDatabase))) {
    throw new Error(
      `berth:backups.drill.newest.${of}.database: ${newest.database === undefined ? "missing" : `"${newest.database}" is no database of ${of}`}; use one of: ${names.join(", ") || "none, it has no database"}`,
    );
  }
  return {
    ...storeParameters(args),
    FLOOR_MEBIBYTES: diskFloorMebibytes,
    KEEP: 1,
    DIRECTORY: hostPaths.nightlyDumps(of),
    SOURCES: data.map(sourceLine).join("\n"),
    DUMPS: hostPaths.nightlyDumps(of),
    SNAPSHOTS: hostPaths.backups(of),
    KEEP_DAILY: keep.daily,
    KEEP_WEEKLY: keep.weekly,
    DRILL_MEBIBYTES: drill.memoryMebibytes,
    NEWEST_DATABASE: newestDatabase ?? "",
    NEWEST_QUERY: newest?.query ?? "",
    NEWEST_HOURS: newest?.maxAgeHours ?? 0,
    // 0 where point in time is not declared, or there is no database.
    WAL_MINUTES: pointInTime?.everyMinutes ?? 0,
    WINDOW_DAYS: pointInTime?.windowDays ?? 0,
    WAL_LIMIT_MEBIBYTES: 1024 * (pointInTime?.maxWalGigabytes ?? 0),
    HELD_SEGMENTS: heldSegments,
  };
}

/** Where there is a database to bring back. */
function pointInTimeOf({ pointInTime }: BackupsConfig, data: readonly StoredData[]) {
  return data.some(({ kind }) => kind === "database") ? pointInTime : undefined;
}

/** One line of SOURCES, fields between tabs. */
function sourceLine(data: StoredData): string {
  if (data.kind === "folder") return `folder\t${data.path}`;
  if (data.kind === "redis") return `redis\t${data.server}`;
  return ["database", data.server, data.name, data.image, data.dataPath].join("\t");
}

function units(unit: string, { of, config, data }: BackupArgs): Record<string, string> {
  const path = hostPaths.backupScript(of);
  const again = {
    limit: "StartLimitIntervalSec=4h\nStartLimitBurst=3",
    restart: "Restart=on-failure\nRestartSec=20min\n",
  };
  // The timer is what tries again, however often that is.
  const often = { limit: "StartLimitIntervalSec=0", restart: "" };
  const service = (what: string, verb: string, { limit, restart } = again) => `[Unit]
Description=${what} of ${of}
After=docker.service network-online.target
Wants=network-online.target
${limit}

[Service]
Type=oneshot
User=${deployUser}
Nice=10
IOSchedulingClass=idle
ExecStart=${path} ${verb}
TimeoutStartSec=${unitDeadline}
${restart}`;
  const timer = (what: string, when: string) => `[Unit]
Description=${what} of ${of}

[Timer]
${when}

[Install]
WantedBy=timers.target
`;
  const calendar = ({ on, at }: { on: (typeof drillDays)[number]; at: string }) =>
    `OnCalendar=${on === "daily" ? "" : `${on.slice(0, 3)} `}*-*-* ${at}:00 UTC\nPersistent=true`;
  const pointInTime = pointInTimeOf(config, data);
  return {
    [`${unit}.service`]: service("Backup", "take"),
    [`${unit}.timer`]: timer("Backup", calendar({ on: "daily", at: config.at })),
    [`${unit}-drill.service`]: service("Restore drill", "drill"),
    [`${unit}-drill.timer`]: timer("Restore drill", calendar(config.drill)),
    ...(pointInTime && {
      [`${unit}-wal.service`]: service("Write-ahead log", "wal", often),
      [`${unit}-wal.timer`]: timer(
        "Write-ahead log",
        `OnBootSec=1min\nOnUnitInactiveSec=${pointInTime.everyMinutes}min`,
      ),
      [`${unit}-base.service`]: service("Base backup", "base"),
      [`${unit}-base.timer`]: timer("Base backup", calendar(pointInTime.baseBackup)),
    }),
  };
}
