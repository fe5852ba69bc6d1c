import type { LabHome } from "../home.ts";
import { run } from "./host.ts";
import { namespacePrefix, vethName } from "./names.ts";

export async function namespaces(): Promise<string[]> {
  const lines = (await run("ip", ["netns", "list"])).split("\n");
  return lines.map((line) => line.split(" ")[0] ?? "").filter((name) => name !== "");
}

/** Ends the processes in the namespace and removes it with its veth pair. Succeeds when there is none. */
export async function removeNamespace(namespace: string): Promise<void> {
  if (!(await namespaces()).includes(namespace)) return;
  for (const pid of await namespaceProcesses(namespace)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // Ended by itself meanwhile.
    }
  }
  // The veth pair disappears with its namespace only when the last socket in it is closed: delete it by name, so that it is removed now.
  await run("ip", ["link", "delete", vethName(namespace)]).catch(() => undefined);
  await run("ip", ["netns", "delete", namespace]);
}

export async function namespaceProcesses(namespace: string): Promise<number[]> {
  const output = await run("ip", ["netns", "pids", namespace]);
  return output
    .split("\n")
    .filter((line) => line !== "")
    .map(Number);
}

/** Removes every client namespace of this lab, also those left by killed commands. */
export async function removeNamespaces(home: LabHome): Promise<void> {
  for (const namespace of await namespaces()) {
    if (namespace.startsWith(namespacePrefix(home))) await removeNamespace(namespace);
  }
}
