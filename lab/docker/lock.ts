import { spawn } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { Socket } from "node:net";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { hostPath } from "./host.ts";

/** Another process has the lock. */
export class LockTaken extends Error {}

/** Ends the hold of a lock. */
type Release = () => Promise<void>;

/**
 * Runs `work` while holding a lock file that all processes of this machine share.
 *
 * @throws LockTaken when the lock is not free within `timeoutSeconds`, or the error of `work`.
 */
export async function withLock<T>(file: string, timeoutSeconds: number, work: () => Promise<T>): Promise<T> {
  const release = await hold(file, timeoutSeconds, "--exclusive");
  try {
    return await work();
  } finally {
    await release();
  }
}

/**
 * Holds a lock together with others that share it, until it is released or this process ends; meanwhile no `withLock` has it.
 *
 * @throws LockTaken when it is not free within `timeoutSeconds`.
 */
export function shareLock(file: string, timeoutSeconds: number): Promise<Release> {
  return hold(file, timeoutSeconds, "--shared");
}

/** A child process that ends with this one holds the lock (flock), so a killed command leaves no stale lock. */
async function hold(
  file: string,
  timeoutSeconds: number,
  kind: "--exclusive" | "--shared",
): Promise<Release> {
  await mkdir(dirname(file), { recursive: true });
  const holder = spawn(
    "flock",
    [kind, "--timeout", String(timeoutSeconds), file, "sh", "-c", "echo held; exec cat >/dev/null"],
    { stdio: ["pipe", "pipe", "ignore"], env: { ...process.env, PATH: hostPath } },
  );
  holder.stdin.on("error", () => undefined);
  const ended = new Promise<void>((resolve) => holder.once("close", () => resolve()));
  await new Promise<void>((resolve, reject) => {
    holder.once("error", reject);
    holder.once("close", () =>
      reject(
        new LockTaken(
          `${file}: another command of the lab has held this lock for ${timeoutSeconds} s; see: fuser -v ${file}`,
        ),
      ),
    );
    createInterface({ input: holder.stdout }).once("line", () => resolve());
  });
  // A lock does not keep a process alive that has nothing else to do.
  holder.unref();
  for (const pipe of [holder.stdin, holder.stdout]) if (pipe instanceof Socket) pipe.unref();
  return async () => {
    holder.ref();
    holder.stdin.end();
    await ended;
  };
}
