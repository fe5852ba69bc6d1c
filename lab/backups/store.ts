import { spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { GoTool } from "../apps/application.ts";
import { withLock } from "../docker/index.ts";
import type { LabHome } from "../home.ts";
import { issueCertificate } from "../images/index.ts";
import { goBinary } from "../images/tools.ts";
import { endProcess, isAlive, startTicks } from "../processes.ts";
import type { Progress } from "../progress.ts";
import { writePrivateFile } from "../write-file.ts";
import { type HostKey, region, storeOwnerKey, storePort } from "./address.ts";

/**
 * The store of backups, outside of every machine, as a bucket elsewhere is: a real S3 server (Versity's gateway, from Go's module proxy) on
 * the lab's own address, with versions, and a key for the hosts that may not remove them. Started when a run asks for it, ended with the lab.
 */
const versitygw: GoTool = {
  command: "versitygw",
  package: "github.com/versity/versitygw/cmd/versitygw",
  version: "v1.8.0",
  versionVariable: "main.Version",
  goVersion: "1.25",
};
const startSeconds = 20;
const stopSeconds = 5;
interface StoreRecord {
  readonly pid: number;
  readonly startTicks: string;
}

/** Files of the store, all in one folder of the lab's state. */
export function storeFiles(home: LabHome) {
  const folder = join(home.stateDir, "backup-store");
  return {
    folder,
    record: join(folder, "store.json"),
    certificate: join(folder, "server.crt"),
    key: join(folder, "server.key"),
    accounts: join(folder, "accounts"),
    /** What is stored: the newest version of each object, and the older ones. */
    data: join(folder, "data"),
    versions: join(folder, "versions"),
    log: join(folder, "store.log"),
    lock: join(home.cacheDir, "labs", `${home.name}.backup-store.lock`),
  };
}

/**
 * Starts the store unless it runs, and makes its bucket.
 * @throws what it said last when it does not answer, or how to get Go when it cannot be built.
 */
export async function ensureStore(home: LabHome, hosts: HostKey, progress: Progress): Promise<void> {
  const files = storeFiles(home);
  const binary = await goBinary(home, versitygw, progress);
  await withLock(files.lock, 60, async () => {
    if (runningStore(home) === undefined) {
      progress("starting the store of backups");
      await startStore(home, hosts, binary);
    }
    const { makeBucket, storeOwner } = await import("./bucket.ts");
    const client = await storeOwner(home);
    const deadline = Date.now() + startSeconds * 1000;
    for (;;) {
      const problem = await makeBucket(client, hosts).catch((error: Error) => error);
      if (problem === undefined) return;
      if (runningStore(home) === undefined || Date.now() > deadline)
        throw new Error(
          `the store of backups does not answer (${problem.message}); it said:\n${lastWords(files.log)}`,
        );
      await sleep(100);
    }
  });
}

/** Ends the store. @returns false when it did not run. */
export async function stopStore(home: LabHome): Promise<boolean> {
  const files = storeFiles(home);
  const pid = runningStore(home);
  if (pid !== undefined && !(await endProcess(pid, stopSeconds)))
    throw new Error(`the store of backups (process ${pid}) does not end; see ${files.log}`);
  rmSync(files.record, { force: true });
  rmSync(files.lock, { force: true });
  return pid !== undefined;
}

function runningStore(home: LabHome): number | undefined {
  const { record } = storeFiles(home);
  if (!existsSync(record)) return undefined;
  const { pid, startTicks: ticks } = JSON.parse(readFileSync(record, "utf8")) as StoreRecord;
  return isAlive(pid) && startTicks(pid) === ticks ? pid : undefined;
}

async function startStore(home: LabHome, hosts: HostKey, binary: string): Promise<void> {
  const files = storeFiles(home);
  for (const folder of [files.folder, files.data, files.versions, files.accounts])
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  const own = await issueCertificate(home, [], [home.gateway], 365);
  writePrivateFile(files.certificate, own.certificatePem);
  writePrivateFile(files.key, own.privateKeyPem);
  const { accessKeyId: access, secretAccessKey: secret } = hosts;
  const accessAccounts = { [access]: { access, secret, role: "user" } };
  writePrivateFile(join(files.accounts, "users.json"), JSON.stringify({ accessAccounts }));
  const log = openSync(files.log, "a", 0o600);
  const words = ["--port", `${home.gateway}:${storePort}`, "--region", region, "--quiet"];
  const tls = ["--cert", files.certificate, "--key", files.key, "--iam-dir", files.accounts];
  const child = spawn(binary, [...words, ...tls, "posix", "--versioning-dir", files.versions, files.data], {
    cwd: "/",
    detached: true,
    stdio: ["ignore", log, log],
    env: { ROOT_ACCESS_KEY: storeOwnerKey.accessKeyId, ROOT_SECRET_KEY: storeOwnerKey.secretAccessKey },
  });
  closeSync(log);
  child.unref();
  await new Promise<void>((resolve, reject) => child.once("spawn", resolve).once("error", reject));
  const { pid = 0 } = child;
  writePrivateFile(files.record, JSON.stringify({ pid, startTicks: startTicks(pid) } satisfies StoreRecord));
}

function lastWords(log: string): string {
  return existsSync(log) ? readFileSync(log, "utf8").trimEnd().split("\n").slice(-8).join("\n") : "nothing";
}
