import { spawn } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { hostPath } from "./host.ts";

/**
 * Runs `work` while holding the lock file, which all processes of this machine share. The kernel holds the lock
 * (flock), through a child that ends with this process: a killed command leaves no stale lock behind.
 *
 * @throws when the lock is not free within `timeoutSeconds`, or whatever `work` throws.
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
