import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync, readFileSync, rmSync, statSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { json } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { withLock } from "../docker/index.ts";
import { daemonHost, daemonPorts, type LabHome } from "../home.ts";
import { endProcess, isAlive, startTicks } from "../processes.ts";
import type { Progress } from "../progress.ts";
import { type DaemonRecord, daemonFiles } from "./protocol.ts";

// fetch, or an import of node:http, would load all of undici in every command.
const { get } = process.getBuiltinModule("node:http");

const startSeconds = 180;
const stopSeconds = 15;
const answerSeconds = 3;

/** The daemon if it answers, otherwise undefined. */
export async function runningDaemon(home: LabHome): Promise<DaemonRecord | undefined> {
  try {
    const signal = AbortSignal.timeout(answerSeconds * 1000);
    const request = get(`http://${daemonHost(home)}:${daemonPorts.health}/health`, { signal });
    const [response] = (await once(request, "response")) as [IncomingMessage];
    const record = (await json(response)) as DaemonRecord & { readonly lab: string };
    return record.lab === home.name ? record : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The lab's daemon, started when it does not answer. Concurrent commands start only one.
 * @throws the end of its log, when it ends or does not answer within three minutes (after a reboot it starts the
 * machines first).
 */
export async function ensureDaemon(home: LabHome, progress: Progress): Promise<DaemonRecord> {
  const running = await runningDaemon(home);
  if (running !== undefined) return running;
  return withLock(daemonFiles(home).lock, startSeconds + 30, async () => {
    const raced = await runningDaemon(home);
    if (raced !== undefined) return raced;
    await endRecorded(home);
    progress("starting the lab's cloud, registry and DNS");
    return launch(home, progress);
  });
}

/**
 * Ends the lab's daemon.
 * @returns false when none was running.
 * @throws when it does not end.
 */
export async function stopDaemon(home: LabHome): Promise<boolean> {
  return withLock(daemonFiles(home).lock, startSeconds + 30, () => endRecorded(home));
}

/** The last lines of the daemon's log, for error messages. */
function lastLogLines(home: LabHome, fromByte = 0, lines = 12): string {
  const { log } = daemonFiles(home);
  if (!existsSync(log)) return "";
  return readFileSync(log).subarray(fromByte).toString("utf8").trimEnd().split("\n").slice(-lines).join("\n");
}

async function launch(home: LabHome, progress: Progress): Promise<DaemonRecord> {
  const files = daemonFiles(home);
  const before = existsSync(files.log) ? statSync(files.log).size : 0;
  const log = openSync(files.log, "a", 0o600);
  const daemon = spawn(process.execPath, [fileURLToPath(new URL("main.ts", import.meta.url))], {
    cwd: "/",
    detached: true,
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  daemon.unref();
  const failure = failureOf(daemon);
  const deadline = Date.now() + startSeconds * 1000;
  let said = "";
  while (Date.now() < deadline) {
    const running = await runningDaemon(home);
    if (running !== undefined) return running;
    const ended = failure();
    const last = lastLogLines(home, before, 1).replace(/^\S+Z /, "");
    if (ended !== undefined) {
      const reason = /(?:^|\n)\S+Z failed: (?<text>[\s\S]*?)(?=\n\d\S+Z |$)/.exec(
        lastLogLines(home, before, 40),
      )?.groups?.text;
      throw new Error(
        reason ??
          `the lab's daemon ended (${ended}); its log ${files.log} ends with:\n${lastLogLines(home, before)}`,
      );
    }
    if (last !== said) {
      said = last;
      if (said !== "") progress(said);
    }
    await sleep(100);
  }
  if (daemon.pid !== undefined) await endProcess(daemon.pid, stopSeconds);
  throw new Error(
    `the lab's daemon does not answer after ${startSeconds} s; its log ${files.log} ends with:\n${lastLogLines(home, before)}`,
  );
}

function failureOf(daemon: ChildProcess): () => string | undefined {
  let failure: string | undefined;
  daemon.once("error", (error) => {
    failure = error.message;
  });
  daemon.once("exit", (code, signal) => {
    failure = signal ?? `exit code ${code}`;
  });
  return () => failure;
}

/** A hanging daemon does not answer, but its record contains its process id. */
async function endRecorded(home: LabHome): Promise<boolean> {
  const { record: path } = daemonFiles(home);
  if (!existsSync(path)) return false;
  const { pid, startTicks: ticks } = JSON.parse(readFileSync(path, "utf8")) as DaemonRecord;
  const mine = isAlive(pid) && startTicks(pid) === ticks;
  if (mine && !(await endProcess(pid, stopSeconds))) {
    throw new Error(`the lab's daemon (process ${pid}) does not end; see ${daemonFiles(home).log}`);
  }
  rmSync(path, { force: true });
  return mine;
}
