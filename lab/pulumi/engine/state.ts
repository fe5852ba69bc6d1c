import { existsSync, readFileSync } from "node:fs";
import { deriveKey, lazyCrypter } from "../../../ops/passphrase.ts";
import { replacePrivateFile } from "../../write-file.ts";
import type { Deployment } from "./resource-state.ts";
import { decodeDeployment, encodeDeployment, saltOf } from "./state-json.ts";

/** The deployment in `file`; an empty one, with a fresh salt, when the file does not exist. */
export function readState(file: string, passphrase: string): Deployment {
  if (!existsSync(file)) return { crypter: lazyCrypter(passphrase), resources: [], pendingOperations: [] };
  try {
    return decodeDeployment(readFileSync(file, "utf8"), passphrase);
  } catch (error) {
    throw new Error(`${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** {@link readState}, without occupying this process while the key is derived, which takes about a second. */
export async function openState(file: string, passphrase: string): Promise<Deployment> {
  const salt = existsSync(file) ? saltOf(readFileSync(file, "utf8")) : undefined;
  if (salt !== undefined) await deriveKey(passphrase, salt);
  return readState(file, passphrase);
}

/** Replaces `file`, atomically; the previous deployment is kept beside it as `<file>.bak`. Mode 0600. */
export function writeState(file: string, deployment: Deployment): void {
  replacePrivateFile(file, encodeDeployment(deployment));
}
