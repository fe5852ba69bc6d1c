import { readFileSync } from "node:fs";

/** Reads a script that lies beside the module: `readScript(import.meta.url, "scripts/ready.sh")`. */
export function readScript(moduleUrl: string, path: string): string {
  return readFileSync(new URL(path, moduleUrl), "utf8");
}

const common = readScript(import.meta.url, "./scripts/common.sh");

/**
 * A script as it is sent: after what all share, in a function that reads nothing, so that no command of the script can eat the rest of it
 * from standard input. One that stays on the host as a program may have its own arguments and input.
 */
export function wholeScript(body: string, reads: "nothing" | "arguments and input" = "nothing"): string {
  const call = reads === "nothing" ? "main </dev/null" : 'main "$@"';
  return `${common}\nmain() {\n${body}\n}\n${call}\n`;
}

/** The shell on the host that runs a command and ends with it. */
export const boundedShell = (seconds: number | string) => `timeout --kill-after=5 ${seconds} bash -s`;

/** Extended regular expression for the command line that every host command has on its host. */
export const hostCommandPattern = `^${boundedShell("[0-9]+")}`;
