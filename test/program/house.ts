import { Database } from "../../components/data/database.ts";
import { ExternalDatabase, externalDatabaseSettings } from "../../components/data/external-database.ts";
import { Postgres } from "../../components/data/postgres.ts";
import { Redis } from "../../components/data/redis.ts";
import { postgresSettings, redisSettings, snapshotSettings } from "../../components/data/settings.ts";
import { defineSystem } from "../../components/declaration.ts";
import { limited, limitsSettings } from "../../components/edge/settings.ts";
import { outboundNetwork, privateNetwork } from "../../components/network/overlay.ts";
import { migrationSettings } from "../../components/release/migration-steps.ts";
import { probePatience } from "../../components/release/probe.ts";
import { appSettings, companionSettings } from "../../components/release/settings.ts";
import { WebService } from "../../components/release/web-service.ts";
import { Worker } from "../../components/release/worker.ts";

/** A system that uses every contract: a fixture, which never runs. */
export const house = defineSystem({
  name: "house",
  secrets: {
    apiKey: { description: "key of the API", format: { kind: "hex", bytes: 32 } },
    archivePassword: { description: "password at the archive", format: { kind: "text", minimumLength: 8 } },
  },
  settings: {
    app: appSettings(
      {
        image: "house/app",
        memoryMebibytes: 128,
        port: 3000,
        variables: { PORT: "port", APP_URL: "berth:url" },
        secrets: { API_KEY: "apiKey" },
        connection: {
          DB_HOST: "host",
          DB_PORT: "port",
          DB_USER: "user",
          DB_PASSWORD: "password",
          ...{ DB_NAME: "name", DB_SSL_MODE: "tlsMode", DB_SSL_ROOTCERT: "authorityFile" },
        },
      },
      {},
    ),
    worker: companionSettings(
      "app",
      {
        ...{ memoryMebibytes: 64, secrets: { API_KEY: "apiKey" }, connection: { ARCHIVE_URL: "url" } },
        databaseTls: { mode: "require", urlParameters: { ssl: "true" } },
      },
      {},
    ),
    archive: externalDatabaseSettings,
    sync: appSettings(
      {
        ...{ image: "house/sync", memoryMebibytes: 64, port: 4000 },
        connection: { DATABASE_URL: "url" },
        made: ["REDIS_URL"],
      },
      {},
    ),
    search: postgresSettings({ image: "house/postgres", memoryMebibytes: 256, tunnelPort: 15442 }),
    redis: redisSettings({ image: "house/redis", memoryMebibytes: 128, policy: "volatile-lru" }),
    postgres: postgresSettings({ image: "house/postgres", memoryMebibytes: 256, tunnelPort: 15441 }),
    limits: limitsSettings({ requestsPerMinute: 200, burst: 200 }, {}),
    snapshots: snapshotSettings,
    migrations: migrationSettings("app", [{ kind: "command", name: "schema", command: ["migrate"] }]),
    syncMigrations: migrationSettings("sync", [{ kind: "golang-migrate", folder: "/migrations" }]),
    probe: probePatience,
  },
  routes: (domain, { app, sync, limits }) => ({
    app: [limited({ domain, path: "/", port: app.port }, limits)],
    sync: [limited({ domain, path: "/sync/", port: sync.port, streaming: true }, limits)],
  }),
  build(context) {
    const { services, domain } = context;
    const { snapshots, migrations, syncMigrations, probe } = context.settings;
    const network = privateNetwork(context);
    const database = new Database(context, "database", {
      postgres: new Postgres(services.postgres, { network }),
      name: "house",
      extensions: [],
    });
    const redis = new Redis(services.redis, { network });
    const search = new Postgres(services.search, {
      network,
      parameters: { wal_level: "logical", shared_buffers: "96MB" },
      ...{ uid: 70, dataPath: "/var/lib/postgresql" },
    });
    const events = new Database(context, "events", {
      ...{ postgres: search, name: "events", extensions: [], replication: true },
    });
    const app = new WebService(services.app, {
      command: ["node", "server.mjs"],
      networks: [network],
      secretsAs: "files",
      database,
      schema: { migrations, snapshots },
      health: { tool: "node", path: "/health" },
      probe,
      // A further service, besides its line of settings: house.test.ts counts its lines.
      companions: (app) => [
        new Worker(services.worker, {
          command: ["node", "worker.mjs"],
          networks: [network, outboundNetwork(context)],
          secretsAs: "files",
          database: new ExternalDatabase(context.settings.archive, context.secret("archivePassword")),
          health: { tool: "command", command: ["node", "healthy.mjs"] },
          probe,
          releasedWith: app,
        }),
      ],
      // End of the further service.
    });
    const sync = new WebService(services.sync, {
      command: ["/app/sync"],
      networks: [network],
      secretsAs: "files",
      database: events,
      schema: { migrations: syncMigrations, snapshots },
      secrets: { REDIS_URL: redis.url },
      dependsOn: [redis.ready],
      health: { tool: "curl", path: "/v1/health" },
      probe,
      order: "stop-first",
    });
    return { services: { ...app.services, ...sync.services }, healthUrl: `https://${domain}/health` };
  },
});
