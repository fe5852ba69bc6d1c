import { type BackupSecret, backupSecrets } from "../components/backup/backup-config.ts";

const entriesOf = Object.entries(backupSecrets) as [BackupSecret, (typeof backupSecrets)[BackupSecret]][];

/** Full keys: `berth:backupsPassword`. */
export const backupSecretKeys = entriesOf.map(([key]) => `berth:${key}`);

/** Takes the secrets of `berth:backups` out of the entries, so that the schema does not see them. */
export function takeBackupSecrets(entries: Map<string, string>): Map<string, string> {
  const taken = new Map([...entries].filter(([key]) => key in backupSecrets));
  for (const key of taken.keys()) entries.delete(key);
  return taken;
}

/** Each is set, encrypted and usable where `berth:backups` is, and none is set where that is not. */
export function backupSecretProblems(
  values: ReadonlyMap<string, string>,
  configured: boolean,
  source: { readonly stack: string; readonly isSecret: (key: string) => boolean },
): string[] {
  const { stack } = source;
  if (!configured) {
    return [...values.keys()].map(
      (key) =>
        `berth:${key}: there is no berth:backups that it belongs to. Set that, or remove it: npx pulumi config rm berth:${key} --stack ${stack}`,
    );
  }
  return entriesOf.flatMap(([key, { description, pattern, generate }]) => {
    const value = values.get(key);
    const fix = `Set it: ${generate} | npx pulumi config set --secret berth:${key} --stack ${stack}`;
    if (value === undefined) return [`berth:${key}: missing; ${description}. ${fix}`];
    if (!source.isSecret(`berth:${key}`)) return [`berth:${key}: is stored unencrypted. ${fix}`];
    if (pattern.test(value)) return [];
    return [
      `berth:${key}: [secret] is invalid; it is ${description}, and must match ${pattern.source}. ${fix}`,
    ];
  });
}
