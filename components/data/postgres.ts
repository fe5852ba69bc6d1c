import type { local } from "@pulumi/command";
import type { Network, Service } from "@pulumi/docker";
import { Provider as PostgresqlProvider } from "@pulumi/postgresql";
import { ComponentResource, mergeOptions, type Output, ResourceHook } from "@pulumi/pulumi";
import { RandomPassword } from "@pulumi/random";
import type { ServiceContext } from "../declaration.ts";
import { readScript } from "../host/command.ts";
import { hostPaths } from "../host/paths.ts";
import { swarmSecret } from "../secrets/swarm-secret.ts";
import type { StatusQuestion } from "../system.ts";
import { postgresTls } from "./postgres-tls.ts";
import { majorVersionLabel, refuseOtherMajorVersion } from "./postgres-version.ts";
import type { PostgresSettings } from "./settings.ts";
import { stateful } from "./stateful.ts";
import { openTunnel } from "./tunnel.ts";

export interface PostgresArgs {
  /** The network on which its clients reach it. */
  readonly network: Network;
  /** Server parameters beside the defaults: `{ wal_level: "logical" }`. A change restarts it. */
  readonly parameters?: Readonly<Record<string, string | number>>;
  /** The user that the server runs as in its image: 999 in the official one and its descendants on Debian, 70 on Alpine. */
  readonly uid?: number;
  /** The image's folder of data, `PGDATA` lies below; the official image's up to 17. */
  readonly dataPath?: string;
}

const serverPort = 5432;

/** A question of a system's status to its Postgres server: a query, whose rows are the answer. */
export function postgresStatus(service: string, name: string, query: string): StatusQuestion {
  const psql = ["psql", "--no-psqlrc", "--username", "postgres", "--tuples-only", "--no-align"];
  return { name, service, command: [...psql, "--command", query] };
}

/**
 * A Postgres server, {@link stateful}: one task, stop-first, no published port. Its name (`togather_postgres`) is an alias on the
 * system's network. Another major version is refused: by the preview when the configuration says so, and on the host before
 * anything is stopped, by what the image and the data folder say.
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
  /** Its image, and where that keeps its data. */
  readonly image: string;
  readonly dataPath: string;

  /** @throws when a parameter is one that Berth sets */
  constructor(context: ServiceContext<PostgresSettings>, args: PostgresArgs) {
    const { name, host, system, image, settings } = context;
    super("berth:data:Postgres", name, {}, { parent: context.parent });
    const child = { parent: this };
    const { network, parameters = {}, uid = 999, dataPath = "/var/lib/postgresql/data" } = args;
    const socketDirectory = hostPaths.socket(name);
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
    const tls = postgresTls(name, { host, system, uid }, child);
    const own = { ...memoryParameters(settings.memoryMebibytes), ...tls.parameters };
    const both = Object.keys(parameters).filter((parameter) => parameter in tls.parameters);
    if (both.length > 0) throw new Error(`${name}: ${both.join(", ")}: set by Berth, which keeps its TLS`);
    const { service, ready } = stateful(this, context, {
      network,
      dataPath,
      container: {
        args: Object.entries({ ...own, ...parameters }).flatMap(([key, value]) => ["-c", `${key}=${value}`]),
        env: {
          POSTGRES_PASSWORD_FILE: "/run/secrets/postgres_password",
          PGDATA: `${dataPath}/pgdata`,
          // For every psql, pg_dump and pg_isready that is started in the container; the image's set-up unsets it.
          PGHOST: "127.0.0.1",
        },
        mounts: [
          { type: "bind", source: socketDirectory, target: "/var/run/postgresql" },
          // Parallel queries share memory there. Docker's own has 64 MiB; this one may fill, within the memory limit. The docker
          // plugin reads a mode back without its sticky bit, which one user alone does not need.
          {
            type: "tmpfs",
            target: "/dev/shm",
            tmpfsOptions: { sizeBytes: settings.memoryMebibytes * 1024 * 1024, mode: 0o777 },
          },
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
      },
      health: { tool: "pg_isready", user: "postgres" },
      labels: [majorVersionLabel(image.version)],
      folders: {
        script: readScript(import.meta.url, "./scripts/postgres-folders.sh"),
        parameters: { SOCKET_DIRECTORY: socketDirectory },
      },
      ready: {
        script: readScript(import.meta.url, "./scripts/postgres-ready.sh"),
        parameters: { SOCKET_DIRECTORY: socketDirectory },
        secrets: { SUPERUSER_PASSWORD: password.result },
      },
      beforeUpdate: [
        new ResourceHook(`${name}-major-version`, refuseOtherMajorVersion(settings.upgradeFrom), {
          onDryRun: true,
        }),
      ],
    });
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
      mergeOptions(child, { dependsOn: [ready] }),
    );
    this.service = service;
    this.ready = ready;
    this.certificatePem = tls.certificatePem;
    this.name = name;
    this.image = image.reference;
    this.dataPath = dataPath;
    this.passwordGeneration = settings.passwordGeneration;
    this.address = `${name}:${serverPort}`;
    this.registerOutputs();
  }
}

/** A quarter of the memory for shared buffers, PostgreSQL's own advice; the rest stays at its defaults. */
function memoryParameters(memoryMebibytes: number): Record<string, string | number> {
  return { shared_buffers: `${Math.floor(memoryMebibytes / 4)}MB`, log_min_duration_statement: 1000 };
}
