import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** One folder for everything temporary that tests and what they start make; it goes when they end, whatever became of them. */
export function setup(): () => void {
  const folder = mkdtempSync(join(tmpdir(), "berth-tests-"));
  process.env.TMPDIR = folder;
  return () => rmSync(folder, { recursive: true, force: true });
}
