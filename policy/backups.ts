import { heldSegments } from "../components/backup/backup-config.ts";
import type { ConfigurationRule } from "../config.ts";
import { services } from "./services.ts";

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

/** Requests go to the endpoint's host with the bucket behind it; some stores show both as one address. */
export const endpointLacksTheBucket: ConfigurationRule = ({ stack, berth: { backups } }) => {
  if (backups === undefined) return [];
  const { endpoint, bucket } = backups.store;
  const own = endpoint.replace(`https://${bucket}.`, "https://");
  return own === endpoint
    ? []
    : [
        `berth:backups.store.endpoint: ${endpoint} begins with the bucket, which berth:backups.store.bucket says; use ${own}. ` +
          `Set it: npx pulumi config set --path berth:backups.store.endpoint ${own} --stack ${stack}`,
      ];
};

/** What the servers of a host keep of their write-ahead logs while nothing can be sent fits its volume; otherwise it is full first. */
export const logsFitTheVolume: ConfigurationRule = ({ stack, berth: { hosts, backups }, systems }) => {
  const { pointInTime } = backups ?? {};
  if (pointInTime === undefined) return [];
  const { maxWalGigabytes: each } = pointInTime;
  return Object.entries(hosts).flatMap(([name, { volumeGigabytes }]) => {
    const servers = services(systems).filter(
      ({ host, service }) => host === name && service.keepsData && service.tunnelPort !== undefined,
    );
    if (servers.length * each < volumeGigabytes) return [];
    const most = Math.ceil(volumeGigabytes / servers.length) - 1;
    return [
      `berth:backups.pointInTime.maxWalGigabytes: ${each} for each Postgres server of ${name} (${servers.length}), whose volume has ${volumeGigabytes} GB, is too large; ` +
        `use ${most} or less, or a larger berth:hosts.${name}.volumeGigabytes. Set it: npx pulumi config set --path berth:backups.pointInTime.maxWalGigabytes ${most} --stack ${stack}`,
    ];
  });
};

/** An alert about what a replication slot keeps begins above what point in time always keeps, and before the server gives it up. */
export const slotsAreToldInTime: ConfigurationRule = ({ stack, berth: { backups, alerts } }) => {
  const { pointInTime } = backups ?? {};
  if (pointInTime === undefined || alerts === undefined) return [];
  const least = 16 * heldSegments + 1;
  const most = 1024 * pointInTime.maxWalGigabytes;
  const { replicationMebibytes: set } = alerts;
  if (set >= least && set <= most) return [];
  const why =
    set < least
      ? "is too small, since berth:backups.pointInTime always keeps up to that"
      : `is too large, since a server keeps no more (berth:backups.pointInTime.maxWalGigabytes: ${pointInTime.maxWalGigabytes})`;
  return [
    `berth:alerts.replicationMebibytes: ${set} ${why}; use ${least} to ${most}. ` +
      `Set it: npx pulumi config set --path berth:alerts.replicationMebibytes 1024 --stack ${stack}`,
  ];
};

/** A drill of a host's database is over before the next backup, and not at the same minute. */
export const drillsHaveTheirOwnTime: ConfigurationRule = ({ stack, berth: { backups } }) =>
  backups !== undefined && backups.drill.at === backups.at
    ? [
        `berth:backups.drill.at: ${backups.at} is the time of the backup; use a later one, as in "04:00". ` +
          `Set it: npx pulumi config set --path berth:backups.drill.at TIME --stack ${stack}`,
      ]
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
