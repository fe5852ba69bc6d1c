import { existsSync, linkSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import writeFileAtomic from "write-file-atomic";

/**
 * Writes a file that only its owner can read, and its folder when there is none. Whoever reads it, at any moment and after any crash,
 * sees the old content or the new, never half of it.
 */
export function writePrivateFile(path: string, content: string | Buffer): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileAtomic.sync(path, content, { mode: 0o600 });
}

/** {@link writePrivateFile} that keeps the content of before in `<path>.bak`. */
export function replacePrivateFile(path: string, content: string): void {
  if (existsSync(path)) {
    rmSync(`${path}.bak`, { force: true });
    linkSync(path, `${path}.bak`);
  }
  writePrivateFile(path, content);
}

/** The content of a private file, made with `make` when there is none yet. */
export function readOrMake(path: string, make: () => string): string {
  if (!existsSync(path)) writePrivateFile(path, make());
  return readFileSync(path, "utf8");
}
