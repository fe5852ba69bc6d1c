import { z } from "zod";
import { Database } from "../components/data/database.ts";
import { Postgres } from "../components/data/postgres.ts";
import { Redis, redisStatus } from "../components/data/redis.ts";
import { postgresSettings, redisSettings, snapshotSettings } from "../components/data/settings.ts";
import { defineSystem } from "../components/declaration.ts";
import { limited, limitsSettings } from "../components/edge/settings.ts";
import { network } from "../components/ip-network.ts";
import { outboundNetwork, privateNetwork } from "../components/network/overlay.ts";
import { migrationSettings } from "../components/release/migration-steps.ts";
import { probePatience } from "../components/release/probe.ts";
import { appSettings, companionSettings } from "../components/release/settings.ts";
import { WebService } from "../components/release/web-service.ts";
import { Worker } from "../components/release/worker.ts";
import type { SecretSpec } from "../components/secrets/secret.ts";

const given = (description: string, minimumLength = 1): SecretSpec => ({
  description,
  format: { kind: "text", minimumLength },
});
const backend = z.enum(["airtable_only", "postgres_shadow_read", "postgres_only"]).default("airtable_only");
const backends = {
  DATA_BACKEND_PROGRAMS: "programsBackend",
  DATA_BACKEND_HABIT_USAGE: "habitUsageBackend",
  DATA_BACKEND_METHOD_USAGE: "methodUsageBackend",
};
const airtable = { AIRTABLE_ACCESS_TOKEN: "airtableAccessToken", AIRTABLE_BASE_ID: "airtableBaseId" };
const shared = { connection: { DATABASE_URL: "url" }, made: ["REDIS_URL"] } as const;

/** The Mental Fitness App: Express on Node and a worker that keeps Postgres and Airtable in step, on PostgreSQL and Redis. */
export const mfa = defineSystem({
  name: "mfa",
  secrets: {
    airtableAccessToken: given("Airtable API token", 10),
    airtableBaseId: given("Airtable base id"),
    jwtSecret: { description: "key that signs tokens", format: { kind: "base64", bytes: 32 } },
    openaiApiKey: given("OpenAI API key", 10),
    smtpServer: { description: "host name of the mail server", format: { kind: "host" } },
    smtpPort: { description: "port of the mail server", format: { kind: "port" } },
    smtpUser: given("user at the mail server"),
    smtpPassword: given("password at the mail server", 8),
    smtpFrom: { description: "address that mail comes from", format: { kind: "address" } },
  },
  settings: {
    app: appSettings(
      {
        ...{ image: "mfa/app", memoryMebibytes: 512, port: 3000, variables: backends, ...shared },
        secrets: {
          ...{ ...airtable, JWT_SECRET: "jwtSecret", OPENAI_API_KEY: "openaiApiKey" },
          ...{ SMTP_SERVER: "smtpServer", SMTP_PORT: "smtpPort", SMTP_USER: "smtpUser" },
          ...{ SMTP_PASSWORD: "smtpPassword", SMTP_FROM: "smtpFrom" },
        },
      },
      {
        /** Where the data is, while it moves from Airtable to Postgres. */
        programsBackend: backend,
        habitUsageBackend: backend,
        methodUsageBackend: backend,
        /** Networks whose clients may empty the cache. */
        cacheAllowedFrom: z.array(network).default([]),
      },
    ),
    worker: companionSettings("app", { memoryMebibytes: 256, secrets: airtable, ...shared }, {}),
    postgres: postgresSettings({ image: "mfa/postgres", memoryMebibytes: 512, tunnelPort: 15433 }),
    redis: redisSettings({ image: "mfa/redis", memoryMebibytes: 256, policy: "volatile-lru" }),
    limits: limitsSettings({ requestsPerSecond: 100, burst: 200 }, {}),
    snapshots: snapshotSettings,
    migrations: migrationSettings("app", [
      { kind: "command", name: "schema", command: ["node", "tasks/db-migrate.mjs"] },
    ]),
    probe: probePatience,
  },
  routes: (domain, { app, limits }) => {
    const cache = { path: "/api/cache/invalidate", match: "exact", allowFrom: app.cacheAllowedFrom } as const;
    return {
      app: [
        limited({ domain, path: "/", port: app.port }, limits),
        limited({ domain, port: app.port, ...cache }, limits),
      ],
    };
  },
  status: [
    redisStatus("redis", "sync:status", "GET sync:status"),
    redisStatus("redis", "jobs in sync:queue", "LLEN sync:queue"),
    redisStatus("redis", "memory of Redis", "INFO memory", "^(used_memory|maxmemory)_human:"),
  ],
  build(context) {
    const { domain, services } = context;
    const { snapshots, migrations, probe } = context.settings;
    const internal = privateNetwork(context);
    // The image is Alpine's, whose user differs from Debian's.
    const postgres = new Postgres(services.postgres, { network: internal, uid: 70 });
    const database = new Database(context, "database", { postgres, name: "mfa", extensions: [] });
    const redis = new Redis(services.redis, { network: internal });
    const common = {
      ...({ secretsAs: "fileVariables", secrets: { REDIS_URL: redis.url }, database, probe } as const),
      dependsOn: [redis.ready],
    };
    const app = new WebService(services.app, {
      ...common,
      command: ["node", "server.mjs"],
      networks: [internal],
      schema: { migrations, snapshots },
      health: { tool: "node", path: "/api/health" },
      companions: (app) => [
        new Worker(services.worker, {
          ...common,
          command: ["node", "worker.mjs"],
          environment: services.app.variables,
          networks: [internal, outboundNetwork(context)],
          // It listens nowhere: it is healthy while its process runs.
          health: { tool: "command", command: ["node", "--eval", "process.kill(1, 0)"] },
          releasedWith: app,
        }),
      ],
    });
    return { services: app.services, healthUrl: `https://${domain}/api/health` };
  },
});
