import type { local } from "@pulumi/command";
import type { Network, Service } from "@pulumi/docker";
import { ComponentResource, interpolate, type Output, secret } from "@pulumi/pulumi";
import { RandomPassword } from "@pulumi/random";
import type { ServiceContext } from "../declaration.ts";
import { readScript } from "../host/command.ts";
import { swarmSecret } from "../secrets/swarm-secret.ts";
import type { StatusQuestion } from "../system.ts";
import type { RedisSettings } from "./settings.ts";
import { stateful } from "./stateful.ts";

const serverPort = 6379;

/** The file of its secrets: a configuration file, as the official image's entry point takes one for the first argument. */
const configuration = "/run/secrets/redis.conf";

/** A question of a system's status to its Redis server: a command of redis-cli, and of its output the lines that `only` fits. */
export function redisStatus(service: string, name: string, command: string, only = ""): StatusQuestion {
  // By the environment, which only root and the server's user can read.
  const ask = `REDISCLI_AUTH=$(sed -n "s/^requirepass //p" ${configuration}) redis-cli --raw ${command}`;
  return { name, service, command: ["sh", "-c", only === "" ? ask : `${ask} | grep -E "${only}"`] };
}

/** The user that the server runs as in the official image, on Debian and on Alpine. */
const redisUser = "999";

/**
 * A Redis server, {@link stateful}: one task, stop-first, no published port. What is written is in its append-only file on the volume
 * within a second (`appendfsync`), and a full memory refuses writes unless the policy says otherwise.
 * Source of paths, user and arguments: the official image (github.com/redis/docker-library-redis, 7.4/alpine/Dockerfile,
 * docker-entrypoint.sh).
 *
 * Another password restarts it, and clients with the old one fail until their new slots serve.
 */
export class Redis extends ComponentResource {
  /** What it is called on the system's network and in labels: `mfa_redis`. */
  readonly name: string;
  readonly password: Output<string>;
  /** `redis://:<password>@mfa_redis:6379`: secret. */
  readonly url: Output<string>;
  readonly service: Service;
  /** Depend on it before using the server. */
  readonly ready: local.Command;

  constructor(context: ServiceContext<RedisSettings>, { network }: { readonly network: Network }) {
    const { name, host, system, settings } = context;
    super("berth:data:Redis", name, {}, { parent: context.parent });
    const child = { parent: this };
    const { passwordGeneration, memoryMebibytes, maxmemoryPercent, policy, appendfsync } = settings;
    const password = new RandomPassword(
      `${name}-password`,
      { length: 40, special: false, keepers: { generation: String(passwordGeneration) } },
      child,
    );
    const file = swarmSecret(
      `${name}-configuration`,
      // Without snapshots beside the append-only file, which has all that they have.
      { host, system, value: interpolate`requirepass ${password.result}\nsave ""\n` },
      child,
    );
    const parameters = {
      appendonly: "yes",
      maxmemory: `${Math.floor((memoryMebibytes * maxmemoryPercent) / 100)}mb`,
      "maxmemory-policy": policy,
      // Redis' own default is not said, so that it restarts no server.
      ...(appendfsync === "everysec" ? {} : { appendfsync }),
    };
    const { service, ready } = stateful(this, context, {
      network,
      dataPath: "/data",
      container: {
        args: [configuration, ...Object.entries(parameters).flatMap(([key, value]) => [`--${key}`, value])],
        secrets: [
          {
            ...{ secretId: file.id, secretName: file.name, fileName: "redis.conf" },
            ...{ fileUid: redisUser, fileGid: redisUser, fileMode: 0o400 },
          },
        ],
      },
      health: { tool: "redis-cli", configuration },
      kept: "redis",
      ready: {
        script: readScript(import.meta.url, "./scripts/redis-ready.sh"),
        parameters: { PORT: String(serverPort) },
        secrets: { PASSWORD: password.result },
      },
    });
    this.name = name;
    this.password = secret(password.result);
    this.url = secret(interpolate`redis://:${password.result}@${name}:${serverPort}`);
    this.service = service;
    this.ready = ready;
    this.registerOutputs();
  }
}
