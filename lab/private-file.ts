import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";

/** Writes a file that only its owner can read. Whoever reads it sees the old content or the new, never half of it. */
export function writePrivateFile(path: string, content: string): void {
  writeFileSync(`${path}.new`, content, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

/** The content of a private file, made with `make` when there is none yet. */
export function readOrMake(path: string, make: () => string): string {
  if (!existsSync(path)) writePrivateFile(path, make());
  return readFileSync(path, "utf8");
}
