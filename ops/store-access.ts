import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { backupsSchema } from "../components/backup/backup-config.ts";
import { hostItself } from "../components/host/stored-data.ts";
import { openCrypter } from "./passphrase.ts";

/** What opens the store of backups, and the state in it. */
export interface StoreAccess {
  readonly endpoint: string;
  readonly bucket: string;
  readonly region: string;
  readonly trustedAuthorityPem?: string | undefined;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** What backups are encrypted with. */
  readonly password: string;
  /** Of the stack. */
  readonly passphrase: string;
}

const secret = z.object({ secure: z.string() }).optional();
const file = z.object({
  encryptionsalt: z.string().optional(),
  config: z.object({
    "berth:backups": z.unknown().optional(),
    "berth:hosts": z.record(z.string(), z.unknown()),
    "berth:systems": z.record(z.string(), z.unknown()).default({}),
    "berth:backupsAccessKeyId": secret,
    "berth:backupsSecretAccessKey": secret,
    "berth:backupsPassword": secret,
  }),
});

/**
 * From the stack file and the passphrase alone, as they are where there is neither a host nor a backend: Pulumi's own encryption is opened
 * here. A key or password that is kept elsewhere is tried instead when its variable is set: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
 * RESTIC_PASSWORD.
 * @returns also whose repositories may have the state
 * @throws what is missing, or that the passphrase does not open the file
 */
export function storeAccess(
  stack: string,
  env: Readonly<Record<string, string | undefined>>,
  projectDir = join(import.meta.dirname, ".."),
): { readonly names: readonly string[]; readonly access: StoreAccess } {
  const name = `Pulumi.${stack}.yaml`;
  const found = file.safeParse(parse(readFileSync(join(projectDir, name), "utf8")));
  if (!found.success) throw new Error(`${name} cannot be read: ${z.prettifyError(found.error)}`);
  const { encryptionsalt: salt, config } = found.data;
  if (config["berth:backups"] === undefined)
    throw new Error(`${name}: berth:backups: missing, so nothing was backed up (docs/runbooks/backups.md)`);
  const { store } = backupsSchema.parse(config["berth:backups"]);
  const passphrase =
    env.PULUMI_CONFIG_PASSPHRASE ??
    (env.PULUMI_CONFIG_PASSPHRASE_FILE && readFileSync(env.PULUMI_CONFIG_PASSPHRASE_FILE, "utf8").trim());
  if (!passphrase)
    throw new Error(
      "the stack's passphrase is missing: set PULUMI_CONFIG_PASSPHRASE, or PULUMI_CONFIG_PASSPHRASE_FILE to a file that has it",
    );
  const value = (
    key: "berth:backupsAccessKeyId" | "berth:backupsSecretAccessKey" | "berth:backupsPassword",
    variable: string,
  ) => {
    const given = env[variable];
    if (given) return given;
    const sealed = config[key]?.secure;
    if (sealed === undefined || salt === undefined)
      throw new Error(`${name}: ${key}: missing, or not encrypted with a passphrase; set ${variable}`);
    try {
      return openCrypter(passphrase, salt).decrypt(sealed);
    } catch {
      throw new Error(`${name}: the passphrase does not open ${key}; is it this stack's?`);
    }
  };
  return {
    names: [...Object.keys(config["berth:hosts"]).map(hostItself), ...Object.keys(config["berth:systems"])],
    access: {
      ...store,
      accessKeyId: value("berth:backupsAccessKeyId", "AWS_ACCESS_KEY_ID"),
      secretAccessKey: value("berth:backupsSecretAccessKey", "AWS_SECRET_ACCESS_KEY"),
      password: value("berth:backupsPassword", "RESTIC_PASSWORD"),
      passphrase,
    },
  };
}
