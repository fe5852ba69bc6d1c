import type { ConfigurationRule } from "../config.ts";

/** What is said of one system's backups is about one that is deployed. */
export const backupsAreOfSystems: ConfigurationRule = ({ stack, berth: { backups }, systems }) =>
  Object.entries({ "drill.newest": backups?.drill.newest, keepOf: backups?.keepOf }).flatMap(([key, of]) =>
    Object.keys(of ?? {})
      .filter((name) => systems[name] === undefined)
      .map(
        (name) =>
          `berth:backups.${key}.${name}: no system "${name}" in berth:systems; use one of: ${Object.keys(systems).join(", ")}. ` +
          `Remove it: npx pulumi config rm --path berth:backups.${key}.${name} --stack ${stack}`,
      ),
  );

/** A drill of a host's database is over before the next backup, and not at the same minute. */
export const drillsHaveTheirOwnTime: ConfigurationRule = ({ berth: { backups } }) =>
  backups !== undefined && backups.drill.at === backups.at
    ? [`berth:backups.drill.at: ${backups.at} is the time of the backup; use a later one, as in "04:00"`]
    : [];

/** Without backups that leave it, a host that is lost takes all data with it. */
export const backupsLeaveTheHost: ConfigurationRule = ({ stack, berth: { backups, environment } }) =>
  backups !== undefined || environment === "development"
    ? []
    : [
        `berth:backups: not set, so nothing leaves the host: a server or volume that is lost takes its databases and their snapshots with it. ` +
          `Set it: npx pulumi config set --path berth:backups.store.kind s3 --stack ${stack} (docs/runbooks/backups.md has the rest)`,
      ];

/** A host begins with its backups where there are any, and what may be missing of them is said only there. */
export const restoresHaveBackups: ConfigurationRule = ({ stack, berth: { hosts, backups } }) =>
  Object.entries(hosts).flatMap(([name, { restoreFrom, beginEmpty }]) => {
    const path = `berth:hosts.${name}`;
    return [
      ...(restoreFrom === undefined || backups !== undefined
        ? []
        : [
            `${path}.restoreFrom: ${restoreFrom}, and there is no berth:backups that says where they are. Set that (docs/runbooks/backups.md), ` +
              `or remove it: npx pulumi config rm --path ${path}.restoreFrom --stack ${stack}`,
          ]),
      ...(beginEmpty.length === 0 || restoreFrom !== undefined
        ? []
        : [
            `${path}.beginEmpty: everything begins empty without restoreFrom. Remove it: npx pulumi config rm --path ${path}.beginEmpty --stack ${stack}`,
          ]),
    ];
  });
