import { spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { withLock } from "../docker/index.ts";
import type { LabHome } from "../home.ts";
import { ensureAuthority, issueCertificate } from "../images/index.ts";
import { goBinary, pebble } from "../images/tools.ts";
import { endProcess, isAlive, startTicks } from "../processes.ts";
import type { Progress } from "../progress.ts";
import { writePrivateFile } from "../write-file.ts";

/**
 * Pebble, Let's Encrypt's own ACME server for tests, instead of Let's Encrypt: it resolves names with the lab's DNS, validates
 * at port 80 of the machine and issues from an authority that it generates at each start. Started when a run needs it, ended with the lab.
 */
const ports = { acme: 14000, management: 15000 } as const;
const startSeconds = 20;
const stopSeconds = 5;
/** As Let's Encrypt's short-lived profile: always within certbot's 30 days before expiry, so that every renewal renews. */
const certificateSeconds = 6 * 24 * 3600;

interface PebbleRecord {
  readonly pid: number;
  readonly startTicks: string;
}

/** Pebble's files, in one folder of the lab's state, and the file of roots. */
export function pebbleFiles(home: LabHome) {
  const folder = join(home.stateDir, "acme");
  return {
    folder,
    record: join(folder, "pebble.json"),
    configuration: join(folder, "configuration.json"),
    certificate: join(folder, "server.crt"),
    key: join(folder, "server.key"),
    log: join(folder, "pebble.log"),
    lock: join(home.cacheDir, "labs", `${home.name}.acme.lock`),
    /** The lab's authority and the roots of all starts of Pebble: together they verify every certificate of the lab. */
    roots: join(home.stateDir, "roots.pem"),
  };
}

/** The value of `berth:tls.directory` in the lab. */
export function pebbleDirectory(home: LabHome): string {
  return `https://${home.gateway}:${ports.acme}/dir`;
}

/**
 * Starts Pebble unless it runs, and saves its root.
 * @throws the end of its log when it does not answer, or how to install Go when it cannot be built.
 */
export async function ensurePebble(home: LabHome, progress: Progress): Promise<void> {
  const files = pebbleFiles(home);
  const binary = await goBinary(home, pebble, progress);
  const { certificatePem: authority } = await ensureAuthority(home);
  await withLock(files.lock, 60, async () => {
    if (runningPebble(home) === undefined) {
      progress("starting Pebble");
      await startPebble(home, binary);
    }
    const deadline = Date.now() + startSeconds * 1000;
    for (;;) {
      const root = await rootOf(home, authority).catch((error: Error) => error);
      if (typeof root === "string") {
        // Certificates from before a restart are still served until they are renewed.
        const known = existsSync(files.roots) ? readFileSync(files.roots, "utf8") : authority;
        writePrivateFile(files.roots, known.includes(root) ? known : known + root);
        return;
      }
      if (runningPebble(home) === undefined || Date.now() > deadline) {
        throw new Error(
          `Pebble does not answer (${root.message}); its log ends with:\n${lastLogLines(files.log)}`,
        );
      }
      await sleep(100);
    }
  });
}

/** Ends Pebble. @returns false when it did not run. */
export async function stopPebble(home: LabHome): Promise<boolean> {
  const files = pebbleFiles(home);
  const pid = runningPebble(home);
  if (pid !== undefined && !(await endProcess(pid, stopSeconds))) {
    throw new Error(`Pebble (process ${pid}) does not end; see ${files.log}`);
  }
  rmSync(files.record, { force: true });
  rmSync(files.lock, { force: true });
  return pid !== undefined;
}

/** Its process, if it is running. */
function runningPebble(home: LabHome): number | undefined {
  const { record } = pebbleFiles(home);
  if (!existsSync(record)) return undefined;
  const { pid, startTicks: ticks } = JSON.parse(readFileSync(record, "utf8")) as PebbleRecord;
  return isAlive(pid) && startTicks(pid) === ticks ? pid : undefined;
}

async function startPebble(home: LabHome, binary: string): Promise<void> {
  const files = pebbleFiles(home);
  mkdirSync(files.folder, { recursive: true, mode: 0o700 });
  const own = await issueCertificate(home, [], [home.gateway], 365);
  writePrivateFile(files.certificate, own.certificatePem);
  writePrivateFile(files.key, own.privateKeyPem);
  writePrivateFile(files.configuration, JSON.stringify({ pebble: configuration(home) }, undefined, 2));
  const log = openSync(files.log, "a", 0o600);
  const child = spawn(
    binary,
    ["-strict", "-config", files.configuration, "-dnsserver", `${home.gateway}:53`],
    {
      cwd: "/",
      detached: true,
      stdio: ["ignore", log, log],
      // No delay before a validation, and every order is validated again; one nonce in twenty is refused, as by default.
      env: { PEBBLE_VA_NOSLEEP: "1", PEBBLE_AUTHZREUSE: "0" },
    },
  );
  closeSync(log);
  child.unref();
  await new Promise<void>((resolve, reject) => child.once("spawn", resolve).once("error", reject));
  const { pid = 0 } = child;
  writePrivateFile(files.record, JSON.stringify({ pid, startTicks: startTicks(pid) } satisfies PebbleRecord));
}

function configuration(home: LabHome) {
  const files = pebbleFiles(home);
  return {
    listenAddress: `${home.gateway}:${ports.acme}`,
    managementListenAddress: `${home.gateway}:${ports.management}`,
    certificate: files.certificate,
    privateKey: files.key,
    httpPort: 80,
    tlsPort: 443,
    keyAlgorithm: "ecdsa",
    retryAfter: { authz: 1, order: 1 },
    profiles: {
      default: { description: "six days, whatever is requested", validityPeriod: certificateSeconds },
    },
  };
}

function rootOf(home: LabHome, authority: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request(
      {
        host: home.gateway,
        port: ports.management,
        path: "/roots/0",
        ca: authority,
        timeout: 3000,
        agent: false,
      },
      (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (part: string) => {
          text += part;
        });
        response.on("error", reject).on("end", () => {
          if (response.statusCode === 200) resolve(text);
          else reject(new Error(`${response.statusCode} ${text}`));
        });
      },
    );
    call.on("timeout", () => call.destroy(new Error("no answer within 3 s"))).on("error", reject);
    call.end();
  });
}

function lastLogLines(log: string): string {
  return existsSync(log) ? readFileSync(log, "utf8").trimEnd().split("\n").slice(-8).join("\n") : "nothing";
}
