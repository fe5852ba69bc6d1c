import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import type { Deployment } from "./resource-state.ts";
import { lazyCrypter } from "./secrets.ts";
import { decodeDeployment, encodeDeployment } from "./state-json.ts";

/** The deployment in `file`; an empty one, with a fresh salt, when the file does not exist. */
export function readState(file: string, passphrase: string): Deployment {
  if (!existsSync(file)) return { crypter: lazyCrypter(passphrase), resources: [], pendingOperations: [] };
  try {
    return decodeDeployment(readFileSync(file, "utf8"), passphrase);
  } catch (error) {
    throw new Error(`${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/**
 * Replaces `file` atomically and durably: whoever reads it, at any moment and after any crash, sees the old deployment
 * or the new one. The one before stays beside it as `<file>.bak`. Mode 0600.
 */
export function writeState(file: string, deployment: Deployment): void {
  mkdirSync(dirname(file), { recursive: true });
  const temporary = `${file}.tmp`;
  const descriptor = openSync(temporary, "w", 0o600);
  try {
    writeSync(descriptor, encodeDeployment(deployment));
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  if (existsSync(file)) {
    rmSync(`${file}.bak`, { force: true });
    linkSync(file, `${file}.bak`);
  }
  renameSync(temporary, file);
  const folder = openSync(dirname(file), "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
