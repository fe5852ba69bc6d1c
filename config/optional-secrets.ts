import { type BackupSecret, backupSecrets } from "../components/backup/backup-config.ts";
import { type AlertSecret, alertSecrets } from "../components/watch/alerts-config.ts";

/** Secrets of Berth's own that a part of the configuration needs, where it is there. */
interface OptionalSecret {
  /** The part that it belongs to: `backups`, `alerts.slack`. */
  readonly of: string;
  readonly description: string;
  readonly pattern: RegExp;
  /** {@link pattern} in words. */
  readonly form: string;
  /** Prints one, for the message that says how to set it. */
  readonly generate: string;
}

const all: Readonly<Record<BackupSecret | AlertSecret, OptionalSecret>> = {
  ...backupSecrets,
  ...alertSecrets,
};
const entriesOf = Object.entries(all) as [keyof typeof all, OptionalSecret][];

const fullKeys = (secrets: object) => Object.keys(secrets).map((key) => `berth:${key}`);
/** Full keys: `berth:backupsPassword`. */
export const backupSecretKeys = fullKeys(backupSecrets);
export const alertSecretKeys = fullKeys(alertSecrets);

/** Takes them out of the entries, so that the schema does not see them. */
export function takeOptionalSecrets(entries: Map<string, string>): Map<string, string> {
  const taken = new Map([...entries].filter(([key]) => key in all));
  for (const key of taken.keys()) entries.delete(key);
  return taken;
}

/** Each that is needed is set, encrypted, usable and a value of its own, and no other one is set. */
export function optionalSecretProblems(
  values: ReadonlyMap<string, string>,
  needed: readonly (keyof typeof all)[],
  source: { readonly stack: string; readonly isSecret: (key: string) => boolean },
): string[] {
  const { stack } = source;
  return entriesOf.flatMap(([key, { of, description, pattern, form, generate }], index) => {
    const value = values.get(key);
    const fix = `Set it: ${generate} | npx pulumi config set --secret berth:${key} --stack ${stack}`;
    if (!needed.includes(key)) {
      return value === undefined
        ? []
        : [
            `berth:${key}: there is no berth:${of} that it belongs to. Set that, or remove it: npx pulumi config rm berth:${key} --stack ${stack}`,
          ];
    }
    if (value === undefined) return [`berth:${key}: missing; ${description}. ${fix}`];
    if (!source.isSecret(`berth:${key}`)) return [`berth:${key}: is stored unencrypted. ${fix}`];
    if (!pattern.test(value)) {
      return [`berth:${key}: [secret] is invalid; use ${form}. It is ${description}. ${fix}`];
    }
    const [same] = entriesOf.slice(0, index).find(([other]) => values.get(other) === value) ?? [];
    if (same === undefined) return [];
    return [`berth:${key}: [secret] is the value of berth:${same} too; each has its own. ${fix}`];
  });
}

/** The receiver of heartbeats cannot tell two hosts apart that ask for one URL. */
export function heartbeatProblems(
  url: string | undefined,
  hosts: readonly string[],
  stack: string,
): string[] {
  if (url === undefined || hosts.length < 2 || url.includes("{host}")) return [];
  return [
    `berth:alertsHeartbeatUrl: [secret] is one URL for ${hosts.join(", ")}, so one that is silent is not noticed; write {host} where the host's name belongs, and make a check for each. Set it: cat url | npx pulumi config set --secret berth:alertsHeartbeatUrl --stack ${stack}`,
  ];
}
