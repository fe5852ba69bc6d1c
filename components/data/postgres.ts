import type { local } from "@pulumi/command";
import { type Network, Service } from "@pulumi/docker";
import { Provider as PostgresqlProvider } from "@pulumi/postgresql";
import { ComponentResource, mergeOptions, type Output, ResourceHook } from "@pulumi/pulumi";
import { RandomPassword } from "@pulumi/random";
import type { ServiceContext } from "../declaration.ts";
import { dockerCheck } from "../health.ts";
import { currentContainerScript, hostCommand, readScript } from "../host/command.ts";
import { imagePull } from "../host/image-pull.ts";
import { hostPaths } from "../host/paths.ts";
import { dockerLabels } from "../labels.ts";
import { swarmSecret } from "../secrets/swarm-secret.ts";
import { specificationDigest } from "../specification.ts";
import { postgresTls } from "./postgres-tls.ts";
import { majorVersionLabel, refuseOtherMajorVersion } from "./postgres-version.ts";
import type { PostgresSettings } from "./settings.ts";
import { openTunnel } from "./tunnel.ts";

export interface PostgresArgs {
  /** The network on which its clients reach it. */
  readonly network: Network;
}

const serverPort = 5432;

/**
 * Folder of a server's data on the volume: `/mnt/data/togather/postgres` for `togather_postgres`, so that two servers of a
 * system never share one.
 * @throws when the name does not begin with the system's
 */
export function dataDirectory(system: string, name: string): string {
  const prefix = `${system}_`;
  if (!name.startsWith(prefix) || name.length === prefix.length)
    throw new Error(`a Postgres server of ${system} is called ${prefix}<name>, not "${name}"`);
  return hostPaths.data(system, name.slice(prefix.length));
}

/**
 * A Postgres server on the data volume: one replica, stop-first, a minute to shut down, no published port. Its name
 * (`togather_postgres`) is an alias on the system's network. The service is protected; a new minor version or limit restarts it
 * in place. Another major version is refused: by the preview when the configuration says so, and on the host before anything is
 * stopped, by what the image and the data folder say.
 *
 * `provider` reaches it through the shared SSH connection and its unix socket, with the superuser's password.
 */
export class Postgres extends ComponentResource {
  /** What it is called on the system's network and in labels: `togather_postgres`. */
  readonly name: string;
  /** Name and port on the system's network. */
  readonly address: string;
  /** What clients trust, PEM: connections over the network are encrypted or refused. */
  readonly certificatePem: Output<string>;
  readonly service: Service;
  readonly ready: local.Command;
  readonly provider: PostgresqlProvider;

  /** Generation of the passwords of its databases' roles, where they name none. */
  readonly passwordGeneration: number;

  constructor(context: ServiceContext<PostgresSettings>, { network }: PostgresArgs) {
    const { name, host, system, image, settings } = context;
    super("berth:data:Postgres", name, {}, { parent: context.parent });
    const child = { parent: this };
    const socketDirectory = hostPaths.socket(name);
    const memoryBytes = settings.memoryMebibytes * 1024 * 1024;
    const directories = {
      DATA_VOLUME: hostPaths.dataVolume,
      DATA_DIRECTORY: dataDirectory(system, name),
      SOCKET_DIRECTORY: socketDirectory,
    };
    // A new image is pulled before the running server is stopped for it.
    const pulled = imagePull(`${name}-pull`, { host, image }, child);
    const folders = hostCommand(
      `${name}-folders`,
      {
        connection: host.connection,
        script: readScript(import.meta.url, "./scripts/folders.sh"),
        parameters: { ...directories, SERVICE: name, IMAGE: image.reference },
        deadlineSeconds: 600,
        dependsOn: [host.ready, pulled],
      },
      child,
    );
    // The image reads it when the data folder is empty; `ready` gives it to the superuser of one that is older.
    const generation = settings.superuserPasswordGeneration;
    const password = new RandomPassword(
      `${name}-superuser`,
      {
        ...{ length: 40, special: false },
        ...(generation === 1 ? {} : { keepers: { generation: String(generation) } }),
      },
      child,
    );
    const passwordSecret = swarmSecret(
      `${name}-superuser-password`,
      { host, system, value: password.result },
      child,
    );
    const tls = postgresTls(name, { host, system }, child);
    this.certificatePem = tls.certificatePem;
    const taskSpec = {
      containerSpec: {
        image: image.reference,
        args: [...postgresArguments(settings.memoryMebibytes), ...tls.arguments],
        env: {
          POSTGRES_PASSWORD_FILE: "/run/secrets/postgres_password",
          PGDATA: "/var/lib/postgresql/data/pgdata",
          // For every psql, pg_dump and pg_isready that is started in the container; the image's set-up unsets it.
          PGHOST: "127.0.0.1",
        },
        labels: dockerLabels(name, system),
        stopGracePeriod: "1m",
        mounts: [
          { type: "bind", source: directories.DATA_DIRECTORY, target: "/var/lib/postgresql/data" },
          { type: "bind", source: socketDirectory, target: "/var/run/postgresql" },
          // Parallel queries share memory there. Docker's own has 64 MiB; this one may fill, within the memory limit. The docker
          // plugin reads a mode back without its sticky bit, which one user alone does not need.
          { type: "tmpfs", target: "/dev/shm", tmpfsOptions: { sizeBytes: memoryBytes, mode: 0o777 } },
        ],
        secrets: [
          {
            secretId: passwordSecret.id,
            secretName: passwordSecret.name,
            fileName: "postgres_password",
          },
          ...tls.secrets,
        ],
        configs: tls.configs,
        healthcheck: {
          tests: dockerCheck({ tool: "pg_isready", user: "postgres" }),
          // Patient: Swarm stops what fails it, and a busy host must not lose its database for that.
          interval: "2s",
          timeout: "10s",
          retries: 10,
          startPeriod: "1m",
        },
      },
      resources: { limits: { memoryBytes } },
      restartPolicy: { condition: "any", delay: "2s", maxAttempts: 0, window: "0s" },
      networksAdvanceds: [{ id: network.id, aliases: [name] }],
    };
    this.service = new Service(
      name,
      {
        labels: [...dockerLabels(name, system), majorVersionLabel(image.version)],
        mode: { replicated: { replicas: 1 } },
        updateConfig: { order: "stop-first", parallelism: 1, failureAction: "pause" },
        endpointSpec: { mode: "dnsrr" },
        taskSpec,
      },
      mergeOptions(child, {
        provider: host.docker,
        protect: true,
        dependsOn: [folders],
        hooks: {
          beforeUpdate: [
            new ResourceHook(`${name}-major-version`, refuseOtherMajorVersion(settings.upgradeFrom), {
              onDryRun: true,
            }),
          ],
        },
      }),
    );
    this.ready = hostCommand(
      `${name}-ready`,
      {
        connection: host.connection,
        script: currentContainerScript + readScript(import.meta.url, "./scripts/postgres-ready.sh"),
        parameters: {
          SERVICE: this.service.name,
          SOCKET_DIRECTORY: socketDirectory,
          WAIT_SECONDS: 120,
          SPECIFICATION: specificationDigest(taskSpec),
        },
        secrets: { SUPERUSER_PASSWORD: password.result },
        deadlineSeconds: 150,
        dependsOn: [this.service],
      },
      child,
    );
    openTunnel(host.connection, {
      remoteSocket: `${socketDirectory}/.s.PGSQL.${serverPort}`,
      localPort: settings.tunnelPort,
      service: name,
    });
    this.provider = new PostgresqlProvider(
      `${name}-provider`,
      {
        host: "127.0.0.1",
        port: settings.tunnelPort,
        username: "postgres",
        password: password.result,
        database: "postgres",
        // The transport is SSH, and a unix socket knows no TLS.
        sslmode: "disable",
        connectTimeout: 15,
      },
      mergeOptions(child, { dependsOn: [this.ready] }),
    );
    this.name = name;
    this.passwordGeneration = settings.passwordGeneration;
    this.address = `${name}:${serverPort}`;
    this.registerOutputs();
  }
}

/** A quarter of the memory for shared buffers, PostgreSQL's own advice; the rest stays at its defaults. */
function postgresArguments(memoryMebibytes: number): string[] {
  return [
    "-c",
    `shared_buffers=${Math.floor(memoryMebibytes / 4)}MB`,
    "-c",
    "log_min_duration_statement=1000",
  ];
}
