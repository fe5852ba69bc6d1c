import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { shellQuote } from "../../components/host/connection.ts";

/** Runs a host's scripts in a real bash; the host's programs are replaced by scripts of the test. */

/** A script below `components/`. */
export function script(path: string): string {
  return readFileSync(fileURLToPath(new URL(`../../components/${path}`, import.meta.url)), "utf8");
}

export interface Said {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * @param folder for the stand-ins; `sudo` is one always
 * @param programs bodies of shell scripts, by the name of the program that they stand in for
 */
export function runOnHost(
  folder: string,
  programs: Readonly<Record<string, string>>,
  parameters: Readonly<Record<string, string | number>>,
  body: string,
): Said {
  const bin = join(folder, "bin");
  mkdirSync(bin, { recursive: true });
  for (const [name, text] of Object.entries({ sudo: 'exec "$@"', ...programs })) {
    writeFileSync(join(bin, name), `#!/bin/bash\n${text}\n`);
    chmodSync(join(bin, name), 0o755);
  }
  const assignments = Object.entries(parameters).map(
    ([name, value]) => `${name}=${shellQuote(String(value))}`,
  );
  const whole = `${script("host/scripts/common.sh")}\n${assignments.join("\n")}\nmain() {\n${body}\n}\nmain </dev/null\n`;
  const env = { ...process.env, PATH: `${bin}:${process.env.PATH}` };
  const { status, stdout, stderr } = spawnSync("bash", ["-s"], { input: whole, encoding: "utf8", env });
  return { status, stdout, stderr };
}
