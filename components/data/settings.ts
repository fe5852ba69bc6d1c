import { z } from "zod";
import type { ServicePart } from "../declaration.ts";
import { memorySchema } from "../schema.ts";
import { verifyFull } from "./client-tls.ts";

/** Ready-made settings of services that keep data. */

/** Setting of a generated password: another number is another password. */
const passwordGeneration = z
  .int()
  .min(1, "is too small; count up from 1")
  .max(9999, "is too large; use 1 to 9999")
  .default(1);

/** A Postgres server: which image, and what of it can be set. */
export function postgresSettings(declared: {
  /** Key of its image in `berth:images`. */
  readonly image: string;
  /** Memory limit by default. */
  readonly memoryMebibytes: number;
  /** Port of the tunnel to it by default; each server needs its own. */
  readonly tunnelPort: number;
}) {
  const schema = z.strictObject({
    version: z.string().min(1),
    /** The major version that `version` follows on an emptied data folder; without it another major version is refused. */
    upgradeFrom: z.string().regex(/^\d+$/, "is not a major version; use a number, as in 16").optional(),
    memoryMebibytes: memorySchema.default(declared.memoryMebibytes),
    /** Count up for a new password of the app's role, by a release, or of the superuser, by a restart of the server. */
    passwordGeneration,
    superuserPasswordGeneration: passwordGeneration,
    /** Port on the operator's loopback that leads to it during a deploy. */
    tunnelPort: z.int().min(1024).max(65535).default(declared.tunnelPort),
  });
  return statefulPart(declared.image, schema, ({ tunnelPort }) => ({ tunnelPort }));
}

export type PostgresSettings = z.output<ReturnType<ReturnType<typeof postgresSettings>["schema"]>>;

/** What Redis does when its memory is full (redis.io, "Key eviction"). */
const policies = [
  "noeviction",
  "allkeys-lru",
  "allkeys-lfu",
  "allkeys-random",
  "volatile-lru",
  "volatile-lfu",
  "volatile-random",
  "volatile-ttl",
] as const;

/** A Redis server: which image, and what of it can be set. */
export function redisSettings(declared: {
  /** Key of its image in `berth:images`. */
  readonly image: string;
  /** Memory limit by default. */
  readonly memoryMebibytes: number;
  /** What it does by default when its memory is full; `noeviction` refuses writes, which a queue of jobs needs. */
  readonly policy?: (typeof policies)[number];
}) {
  const schema = z.strictObject({
    version: z.string().min(1),
    memoryMebibytes: memorySchema.default(declared.memoryMebibytes),
    /**
     * Of the limit for data. While the append-only file is rewritten, Redis may use up to twice its memory (redis.io, "Redis
     * administration"), and a container that exceeds its limit is killed.
     */
    maxmemoryPercent: z.int().min(10).max(90).default(50),
    policy: z.enum(policies).default(declared.policy ?? "noeviction"),
    /**
     * When what was written is on the disk: within a second, or before each answer (redis.io, "Redis persistence"). After a crash of the
     * host, `everysec` may lack what was written in its last second. A change restarts it.
     */
    appendfsync: z.enum(["everysec", "always"]).default("everysec"),
    /** Count up for a new password, by a restart and new slots of its clients. */
    passwordGeneration,
  });
  return statefulPart(declared.image, schema, () => ({}));
}

export type RedisSettings = z.output<ReturnType<ReturnType<typeof redisSettings>["schema"]>>;

/** A registry of images: which image, and what of it can be set. */
export function registrySettings(declared: {
  /** Key of its image in `berth:images`. */
  readonly image: string;
  /** Memory limit by default. */
  readonly memoryMebibytes: number;
}) {
  const schema = z.strictObject({
    version: z.string().min(1),
    memoryMebibytes: memorySchema.default(declared.memoryMebibytes),
    /** Largest layer of an image, which is one request; larger ones get 413. */
    layerMebibytes: z.int().min(16).max(65_536).default(4096),
    /** Tags of each repository that stay, the newest, beside every image that its host has. The rest goes daily. */
    keepVersions: z.int().min(1).max(1000).default(20),
    /** Count up for a new password: hosts log in anew, nothing restarts. */
    passwordGeneration,
  });
  return statefulPart(declared.image, schema, () => ({}));
}

export type RegistrySettings = z.output<ReturnType<ReturnType<typeof registrySettings>["schema"]>>;

/** How many database snapshots are kept, beside the newest of each of the last 14 days. */
export const snapshotSettings = z
  .strictObject({ keep: z.int().min(1).max(365).default(7) })
  .default({ keep: 7 });

function statefulPart<
  Schema extends z.ZodType<{ readonly version: string; readonly memoryMebibytes: number }>,
>(
  image: string,
  schema: Schema,
  more: (settings: z.output<Schema>) => { readonly tunnelPort?: number },
): ServicePart<Schema> {
  return {
    schema: () => schema,
    variables: {},
    secrets: {},
    connection: {},
    databaseTls: verifyFull,
    services: (name, settings) => {
      const { version, memoryMebibytes } = settings;
      return [{ name, image, version, memoryMebibytes, keepsData: true, ...more(settings) }];
    },
  };
}
