import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const marker = "BERTH_TESTS_TMPDIR";

/**
 * One folder for all temporary files of tests and their child processes; it is removed when they end, whatever their result. vitest calls
 * this for each project. The name is short, since the path of a Unix socket has 107 characters at most (unix(7)).
 */
export function setup(): (() => void) | undefined {
  if (process.env[marker] !== undefined) return undefined;
  const folder = mkdtempSync(join(tmpdir(), "bt-"));
  process.env[marker] = folder;
  process.env.TMPDIR = folder;
  return () => rmSync(folder, { recursive: true, force: true });
}
