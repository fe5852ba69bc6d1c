import { createHash } from "node:crypto";
import { hostPaths } from "../components/host/paths.ts";
import { hostItself } from "../components/host/stored-data.ts";
import { age, type Backend } from "./backend.ts";
import { type BackupRecord, readBackupRecords } from "./backups.ts";
import { type Deployment, isObject, isSecret, type Json, parseDeployment, resources } from "./deployment.ts";
import { quote, requireHost } from "./host-access.ts";
import { openCrypter } from "./passphrase.ts";
import type { RunCommand } from "./run.ts";
import type { StoreAccess } from "./store-access.ts";

/**
 * Pulumi's state among the backups. It goes through a host's own repository, because a host has what opens one; it is read back without
 * a host, because when it is needed there may be none.
 */

/** A state is some MB; the host may be in the middle of a backup or drill of its own. */
const saveSeconds = 1800;
const readSeconds = 300;
/** What a store refuses, restic asks for a quarter of an hour (internal/backend/retry/backend_retry.go); a list takes a moment. */
const listSeconds = 30;

const sourceOf = (stack: string) => `state ${stack}`;

/**
 * Refuses a state whose secrets anybody can read.
 * @throws with the resources that have one, never with its value
 */
export function requireSealed(deployment: Deployment): void {
  const provider = deployment.deployment.secrets_providers;
  const kind = isObject(provider) ? String(provider.type) : "none";
  if (kind === "none" || kind === "b64")
    throw new Error(
      `the state's secrets are not encrypted (secrets provider: ${kind}); use a passphrase: npx pulumi stack change-secrets-provider passphrase`,
    );
  const open = resources(deployment).filter((resource) => hasPlainSecret(resource));
  if (open.length > 0)
    throw new Error(
      `the state has secrets in clear, of ${open.map(({ urn }) => urn).join(", ")}; export it without --show-secrets`,
    );
}

function hasPlainSecret(value: Json | undefined): boolean {
  if (Array.isArray(value)) return value.some(hasPlainSecret);
  if (!isObject(value)) return false;
  if (isSecret(value)) return typeof value.ciphertext !== "string";
  return Object.values(value).some(hasPlainSecret);
}

/** Where the state of a stack goes: to a host's own repository, where there is one, or a system's. By name, so that it is the same each time. */
function placeOf(records: readonly BackupRecord[]): BackupRecord | undefined {
  const own = ({ of, host }: BackupRecord) => of === hostItself(host);
  return [...records].sort((a, b) => Number(own(b)) - Number(own(a)) || a.of.localeCompare(b.of))[0];
}

/**
 * Sends the state as the backend has it, its secrets encrypted, to the store of backups, where it is read back and compared.
 * @returns what the host says of it, or that nothing of this stack is backed up
 * @throws when the state is not sealed, or did not arrive whole
 */
export async function saveState(backend: Backend, run: RunCommand): Promise<string> {
  const deployment = await backend.read();
  requireSealed(deployment);
  const place = placeOf(await readBackupRecords(deployment, run));
  if (place === undefined)
    return `nothing of ${backend.stack} is backed up, so its state is not either: set berth:backups and run up\n`;
  const host = requireHost(deployment, place.host, run);
  const text = `${JSON.stringify(deployment)}\n`;
  const checksum = createHash("sha256").update(text).digest("hex");
  const words = [hostPaths.backupScript(place.of), "state", backend.stack, checksum].map(quote).join(" ");
  // One line: nothing in it ends the text. It reaches the host on standard input, as the script does.
  return host.run(`${words} 8<&- <<'BERTH_STATE'\n${text}BERTH_STATE\n`, saveSeconds);
}

export interface SavedState {
  /** When it was sent. */
  readonly time: string;
  readonly text: string;
  readonly resources: number;
}

/**
 * The newest state in the store, read by this machine's restic: no host and no state is needed. It proves that the key, the password and
 * the passphrase open it.
 * @param names whose repositories may have it, in this order
 * @throws what does not open, or is not there
 */
export async function savedState(
  stack: string,
  names: readonly string[],
  access: StoreAccess,
  run: RunCommand,
): Promise<SavedState> {
  const problems: string[] = [];
  for (const name of names) {
    const restic = (words: string, seconds: number) =>
      run("bash", ["-s"], {
        input: resticScript(stack, name, access, seconds, words),
        timeoutSeconds: seconds + 10,
      });
    let listed: string;
    try {
      listed = await restic(`snapshots --json --tag ${quote(`source=${sourceOf(stack)}`)}`, listSeconds);
    } catch (error) {
      const [first = ""] = (error instanceof Error ? error.message : String(error)).split("\n");
      problems.push(`${name}: ${first}`);
      continue;
    }
    const found = (JSON.parse(listed) ?? []) as { id: string; time: string; paths: string[] }[];
    const newest = found.sort((a, b) => Date.parse(a.time) - Date.parse(b.time)).at(-1);
    if (newest === undefined) {
      problems.push(`${name}: has no state of ${stack}`);
      continue;
    }
    const text = await restic(`dump ${quote(newest.id)} ${quote(newest.paths[0] ?? "")}`, readSeconds);
    return { time: newest.time, text, resources: opens(text, stack, access.passphrase) };
  }
  throw new Error(
    `no state of ${stack} was found in ${access.endpoint}/${access.bucket}/${stack}:\n${problems.join("\n")}`,
  );
}

function resticScript(
  stack: string,
  name: string,
  access: StoreAccess,
  seconds: number,
  words: string,
): string {
  const { endpoint, bucket, region, trustedAuthorityPem: authority } = access;
  const variables = {
    AWS_ACCESS_KEY_ID: access.accessKeyId,
    AWS_SECRET_ACCESS_KEY: access.secretAccessKey,
    AWS_DEFAULT_REGION: region,
    RESTIC_PASSWORD: access.password,
    RESTIC_REPOSITORY: `s3:${endpoint}/${bucket}/${stack}/${name}`,
  };
  const exports = Object.entries(variables).map(([key, value]) => `export ${key}=${quote(value)}\n`);
  const certificate = authority === undefined ? "" : ` --cacert <(printf %s ${quote(authority)})`;
  return `set -euo pipefail\n${exports.join("")}timeout ${seconds} restic --no-cache --no-lock${certificate} ${words} </dev/null\n`;
}

/** @returns how many resources it has; @throws when it is of another stack, or the passphrase does not open it */
function opens(text: string, stack: string, passphrase: string): number {
  const deployment = parseDeployment(text);
  requireSealed(deployment);
  const all = resources(deployment);
  const other = all.find(({ urn }) => !urn.startsWith(`urn:pulumi:${stack}::`));
  if (other !== undefined) throw new Error(`the state in the store is of another stack: ${other.urn}`);
  const provider = deployment.deployment.secrets_providers;
  const state = isObject(provider) ? provider.state : undefined;
  const salt = isObject(state) ? state.salt : undefined;
  if (!isObject(provider) || provider.type !== "passphrase" || typeof salt !== "string")
    throw new Error(`the state's secrets are not encrypted with a passphrase, so it cannot be tried here`);
  openCrypter(passphrase, salt);
  return all.length;
}

/**
 * What is wrong with the backup of the state: a deploy came after it. A run that deployed no version is not seen by this.
 * @param deployed when the newest deployment of each service began
 */
export function stateProblems(
  { stack, opsCommand }: Pick<Backend, "stack" | "opsCommand">,
  records: readonly BackupRecord[],
  deployed: readonly string[],
): string[] {
  if (records.length === 0) return [];
  const saved = records
    .flatMap(({ sources = {} }) => sources[sourceOf(stack)]?.ok ?? [])
    .sort()
    .at(-1);
  const newest = deployed.toSorted((a, b) => Date.parse(a) - Date.parse(b)).at(-1);
  const command = `${opsCommand} save-state --stack ${stack}`;
  if (saved === undefined) return [`backup of the state of ${stack}: there is none yet; ${command}`];
  return newest !== undefined && Date.parse(saved) < Date.parse(newest)
    ? [
        `backup of the state of ${stack} is STALE: it is ${age(saved)} old, and a deploy came after it, ${age(newest)} ago; ${command}`,
      ]
    : [];
}
