import { spawn } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { hostPath } from "./host.ts";

/**
 * Runs `work` while holding a lock file that all processes of this machine share. A child process that ends
 * with this one holds the lock (flock), so a killed command leaves no stale lock.
 *
 * @throws when the lock is not free within `timeoutSeconds`, or the error of `work`.
 */
export async function withLock<T>(file: string, timeoutSeconds: number, work: () => Promise<T>): Promise<T> {
  await mkdir(dirname(file), { recursive: true });
  const holder = spawn(
    "flock",
    ["--timeout", String(timeoutSeconds), file, "sh", "-c", "echo held; exec cat >/dev/null"],
    { stdio: ["pipe", "pipe", "ignore"], env: { ...process.env, PATH: hostPath } },
  );
  holder.stdin.on("error", () => undefined);
  const ended = new Promise<void>((resolve) => holder.once("close", () => resolve()));
  await new Promise<void>((resolve, reject) => {
    holder.once("error", reject);
    holder.once("close", () =>
      reject(
        new Error(
          `${file}: another command of the lab has held this lock for ${timeoutSeconds} s; see: fuser -v ${file}`,
        ),
      ),
    );
    createInterface({ input: holder.stdout }).once("line", () => resolve());
  });
  try {
    return await work();
  } finally {
    holder.stdin.end();
    await ended;
  }
}
