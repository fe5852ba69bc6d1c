import { existsSync, readFileSync } from "node:fs";

/** True when a process of this machine runs. */
export function processRuns(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // No permission to signal it means that it is there.
    return error instanceof Error && "code" in error && error.code !== "ESRCH";
  }
  // A killed process accepts signals until its parent has waited for it, which may never happen in a container.
  try {
    const [state] = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /s, "");
    return state !== "Z" && state !== "X";
  } catch {
    return existsSync("/proc/self") ? existsSync(`/proc/${pid}`) : true;
  }
}
