import { existsSync, linkSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import writeFileAtomic from "write-file-atomic";

/**
 * Writes a file that only its owner can read, and creates its folder. Atomic: a reader sees the old content or the new one, also after
 * a crash.
 */
export function writePrivateFile(path: string, content: string | Buffer): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileAtomic.sync(path, content, { mode: 0o600 });
}

/** {@link writePrivateFile} that keeps the previous content in `<path>.bak`. */
export function replacePrivateFile(path: string, content: string): void {
  if (existsSync(path)) {
    rmSync(`${path}.bak`, { force: true });
    linkSync(path, `${path}.bak`);
  }
  writePrivateFile(path, content);
}

/** The content of a private file, created with `make` if it does not exist. */
export function readOrMake(path: string, make: () => string): string {
  if (!existsSync(path)) writePrivateFile(path, make());
  return readFileSync(path, "utf8");
}
