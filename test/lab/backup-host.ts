import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { expect } from "vitest";
import { backupParameters, backupScript } from "../../components/backup/backup.ts";
import { backupsSchema } from "../../components/backup/backup-config.ts";
import { type Restored, restoreParameters, restoreScript } from "../../components/backup/restore.ts";
import { readScript, wholeScript } from "../../components/host/command.ts";
import type { KeptData, StoredData } from "../../components/host/stored-data.ts";
import { labStore } from "../../lab/backups/address.ts";
import { ensureStore, stopStore, storeFiles } from "../../lab/backups/store.ts";
import { ensureTools } from "../../lab/docker/index.ts";
import type { LabHome } from "../../lab/home.ts";
import { ensureAuthority } from "../../lab/images/index.ts";

/** A host's script of backups, everything that it writes below one folder, with restic and a real S3 server. */
export type BackupHost = Awaited<ReturnType<typeof startBackupHost>>;

export interface StoreKey {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** As the parameters of a script are sent. */
const assignments = (parameters: Readonly<Record<string, string | number>>) =>
  Object.entries(parameters)
    .map(([name, value]) => `${name}='${String(value).replaceAll("'", `'\\''`)}'\n`)
    .join("");

/** A host's key of the store, and what its backups are encrypted with. */
export const testStore = {
  key: { accessKeyId: "host-key-of-the-test", secretAccessKey: "secret-of-the-hosts-key" },
  password: "what-the-backups-are-encrypted-with",
};

export async function startBackupHost(about: {
  readonly home: LabHome;
  /** Whose backups. */
  readonly of: string;
  readonly password: string;
  readonly key: StoreKey;
  readonly dockerHost: string;
  data(folder: string): readonly StoredData[];
  /** In the place of the script's own that look for containers of Swarm's. */
  readonly functions: string;
  /** In the place of the script's own. */
  readonly parameters?: Readonly<Record<string, string | number>>;
}) {
  const { home, of, password } = about;
  const folder = await mkdtemp(join(tmpdir(), "berth-backups-"));
  const at = (...names: string[]) => join(folder, ...names);
  const script = at(`backup-${of}`);

  /** Writes the script as `up` does, with other settings where they are given. */
  async function install(more: Record<string, unknown> = {}, key = about.key): Promise<void> {
    const { certificatePem } = await ensureAuthority(home);
    const store = labStore(home, certificatePem);
    const parameters = {
      ...backupParameters({
        ...{ of, stack: "production", environmentName: "production", data: about.data(folder) },
        config: backupsSchema.parse({ store, ...more }),
      }),
      ...{ DIRECTORY: at("nightly"), DUMPS: at("nightly"), SNAPSHOTS: at("snapshots") },
      ...{ RECORD: at("record.json"), SCRATCH: at("drill"), DATA_VOLUME: folder },
      ...{ STORE_FILE: at("store"), AUTHORITY_FILE: at("authority.pem") },
      ...{ FLOOR_MEBIBYTES: 1, WAIT_SECONDS: 60, ...about.parameters },
    };
    const database = readScript(import.meta.url, "../../components/release/scripts/database.sh");
    const body = backupScript(`${database}\n${about.functions}\n`);
    await writeFile(
      script,
      `#!/bin/bash\n${assignments(parameters)}${wholeScript(body, "arguments and input")}`,
    );
    await chmod(script, 0o755);
    await writeFile(at("authority.pem"), certificatePem);
    const opens = {
      AWS_ACCESS_KEY_ID: key.accessKeyId,
      AWS_SECRET_ACCESS_KEY: key.secretAccessKey,
      AWS_DEFAULT_REGION: store.region,
      RESTIC_PASSWORD: password,
      RESTIC_REPOSITORY: `s3:${store.endpoint}/${store.bucket}/production/${of}`,
      STORE_URL: `${store.endpoint}/${store.bucket}`,
      RESTIC_CACHE_DIR: at("cache"),
    };
    const lines = Object.entries(opens).map(([name, value]) => `${name}='${value}'\n`);
    await writeFile(at("store"), lines.join(""));
  }

  /** What it prints goes to the journal, or to the screen of an `up`; what it records, to the status and its page. Neither has a secret. */
  async function run(file: string, ...words: string[]) {
    const ran = await execa("bash", [file, ...words], {
      env: { DOCKER_HOST: about.dockerHost, PATH: `${at("bin")}:${process.env.PATH}`, NO_PROXY: "*" },
      reject: false,
      all: true,
      // As over ssh: nothing comes.
      stdin: "ignore",
      timeout: 600_000,
    });
    const recorded = await readFile(at("record.json"), "utf8").catch(() => "");
    for (const secret of [password, about.key.secretAccessKey])
      expect(`${ran.all}${recorded}`, `${words.join(" ")} shows a secret`).not.toContain(secret);
    return ran;
  }
  const onHost = (...words: string[]) => run(script, ...words);

  /** Restores one source as `up` does with `restoreFrom: backups`, on a host that has nothing that opens the store. */
  async function restore(
    data: KeptData,
    more: { readonly beginEmpty?: boolean; readonly password?: string; readonly key?: StoreKey } = {},
  ) {
    const { certificatePem } = await ensureAuthority(home);
    const key = more.key ?? about.key;
    const config = backupsSchema.parse({ store: labStore(home, certificatePem) });
    const parameters = {
      ...restoreParameters(data, { stack: "production", environmentName: "production", config }),
      ...{ RECORD: at("restored", "record.json"), SCRATCH: at("drill"), DIRECTORY: at("drill") },
      ...{ STORE_FILE: at("restored", "store"), AUTHORITY_FILE: at("restored", "authority.pem") },
      ...{ DATA_VOLUME: folder, WAIT_SECONDS: 60, HOST: "main" },
      ...{ BEGIN_EMPTY: more.beginEmpty === true ? "yes" : "no" },
      ...{ KEY_ID: key.accessKeyId, KEY: key.secretAccessKey, PASSWORD: more.password ?? password },
    };
    await rm(at("restored"), { recursive: true, force: true });
    const database = readScript(import.meta.url, "../../components/release/scripts/database.sh");
    const body = restoreScript(`${database}\n${about.functions}\n`);
    const text = `${assignments(parameters)}${wholeScript(body)}`;
    await writeFile(at("restore"), text.replaceAll("/var/cache/berth", at("cache")), { mode: 0o600 });
    const { exitCode, stdout, all } = await run(at("restore"));
    return { exitCode, all, answer: exitCode === 0 ? (JSON.parse(stdout) as Restored) : undefined };
  }

  await mkdir(at("bin"));
  // The tests run as root, maybe without sudo.
  await writeFile(at("bin", "sudo"), '#!/bin/sh\nexec "$@"\n', { mode: 0o755 });
  // Its folder stands for the data volume.
  await writeFile(at("bin", "mountpoint"), "#!/bin/sh\n", { mode: 0o755 });
  await rm(storeFiles(home).folder, { recursive: true, force: true });
  await ensureTools(["restic"], (message) => process.stdout.write(`  ${message}\n`));
  await ensureStore(home, about.key, (message) => process.stdout.write(`  ${message}\n`));

  return {
    folder,
    script,
    install,
    restore,

    async ok(...words: string[]): Promise<string> {
      const { exitCode, stdout, all } = await onHost(...words);
      expect(exitCode, all).toBe(0);
      return stdout;
    },

    async fails(...words: string[]): Promise<string> {
      const { exitCode, all } = await onHost(...words);
      expect(exitCode, all).not.toBe(0);
      return all;
    },

    /** restic as a person with the host's files runs it. */
    restic: (...words: string[]) =>
      execa(
        "bash",
        ["-c", 'set -a; . "$0"; exec restic "$@"', at("store"), "--cacert", at("authority.pem"), ...words],
        { env: { NO_PROXY: "*" } },
      ),

    record: async () => JSON.parse(await readFile(at("record.json"), "utf8")),

    async close(): Promise<void> {
      await stopStore(home);
      await rm(folder, { recursive: true, force: true });
    },
  };
}
