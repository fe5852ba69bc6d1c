/**
 * Every path that Berth owns on a host, and who owns it. Nothing else writes there.
 *
 * | path                                   | owner            | what                                              |
 * |----------------------------------------|------------------|---------------------------------------------------|
 * | `/mnt/data`                            | host             | the Hetzner volume                                |
 * | `/mnt/data/<system>/<service>`         | stateful service | its data (PGDATA, Redis' append-only file)        |
 * |                                        | release          | what a service keeps from one slot to the next    |
 * | `/mnt/data/git/<name>.git`             | build            | commits that were pushed, and the hook            |
 * | `/usr/local/lib/berth`                 | edge, registry,  | scripts that timers, hooks and monit run          |
 * |                                        | build, backup,   |                                                   |
 * |                                        | watch            |                                                   |
 * | `/var/lib/berth/sockets/<service>`     | stateful service | its unix socket, for the forwarded connection     |
 * | `/var/lib/berth/registries/<service>`  | registry         | who may use it: user and bcrypt hash              |
 * | `/var/lib/berth/edge`                  | edge             | proxy configuration, routes, the certificates     |
 * | `/var/lib/berth/challenges`            | edge             | answers to ACME's challenges, readable by all     |
 * | `/mnt/data/acme/<authority>`           | edge             | ACME account, certificates and keys               |
 * | `/var/lib/berth/migrations/<service>`  | migration        | the image that brought the schema to where it is  |
 * | `/var/lib/berth/written/<service>`     | migration        | what a step wrote for another service, see        |
 * |                                        |                  | {@link writtenSecret}; readable by root alone     |
 * | `/var/backups/<system>`                | snapshot         | database snapshots, on the root disk on purpose   |
 * | `/var/backups/<system>/nightly`        | backup           | the dump that was sent last                       |
 * | `/etc/berth/backups/<of>`              | backup           | what opens its store; root's alone                |
 * | `/var/lib/berth/backups/<of>.json`     | backup           | how its backups and drills went                   |
 * | `/var/cache/berth/restic`              | backup           | restic's cache                                    |
 * | `/mnt/data/.drill`                     | backup           | the throwaway server of a drill or of point in    |
 * |                                        |                  | time; what a restore reads                        |
 * | `/etc/berth/alerts`                    | watch            | monit's control file, where messages go; root's   |
 * |                                        |                  | alone                                             |
 * | `/var/lib/berth/watch`                 | watch            | what is wrong, and who was told; root's alone     |
 * | `~/.docker/config.json` of deploy      | registry login   | logins to registries                              |
 * | `/var/lib/berth/deployments`           | release          | state and history of each service                 |
 * | `/var/log/<system>/deployments`        | release          | one log a deployment                              |
 * | `/var/lib/berth/files/<command>`       | host             | checksums of the files that a command keeps       |
 * | `/var/lib/berth/docker-restart-pending`| host             | touched when dockerd has not read its settings    |
 */
export const hostPaths = {
  dataVolume: "/mnt/data",
  data: (system: string, service: string) => `/mnt/data/${system}/${service}`,
  repository: (name: string) => `/mnt/data/git/${name}.git`,
  buildScript: (name: string) => `/usr/local/lib/berth/build-${name}`,
  socket: (service: string) => `/var/lib/berth/sockets/${service}`,
  registryUsers: (service: string) => `/var/lib/berth/registries/${service}`,
  edge: "/var/lib/berth/edge",
  challenges: "/var/lib/berth/challenges",
  certificates: "/mnt/data/acme",
  acme: (authority: string) => `/mnt/data/acme/${authority}`,
  written: (service: string) => `/var/lib/berth/written/${service}`,
  backups: (system: string) => `/var/backups/${system}`,
  nightlyDumps: (system: string) => `/var/backups/${system}/nightly`,
  backupScript: (of: string) => `/usr/local/lib/berth/backup-${of}`,
  backupUnit: (of: string) => `berth-backup-${of}`,
  backupStore: (of: string) => `/etc/berth/backups/${of}`,
  backupAuthority: (of: string) => `/etc/berth/backups/${of}.pem`,
  backupRecords: "/var/lib/berth/backups",
  backupRecord: (of: string) => `/var/lib/berth/backups/${of}.json`,
  drill: "/mnt/data/.drill",
  alerts: "/etc/berth/alerts",
  watch: "/var/lib/berth/watch",
  watchScript: "/usr/local/lib/berth/watch",
  deployments: "/var/lib/berth/deployments",
  deploymentLogs: (system: string) => `/var/log/${system}/deployments`,
  filesRecords: "/var/lib/berth/files",
  filesRecord: (command: string) => `/var/lib/berth/files/${command}`,
  dockerRestartPending: "/var/lib/berth/docker-restart-pending",
} as const;

/** What a disk of a host keeps free: snapshots are not written below it, and unused images go at once. */
export const diskFloorMebibytes = 1024;
