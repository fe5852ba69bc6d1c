import { z } from "zod";
import { Database } from "../components/data/database.ts";
import { Postgres } from "../components/data/postgres.ts";
import { postgresSettings, snapshotSettings } from "../components/data/settings.ts";
import { defineSystem } from "../components/declaration.ts";
import { limited, limitsSettings, rateSettings } from "../components/edge/settings.ts";
import { network } from "../components/ip-network.ts";
import { privateNetwork } from "../components/network/overlay.ts";
import { migrationSettings } from "../components/release/migration-steps.ts";
import { probePatience } from "../components/release/probe.ts";
import { appSettings, integrationTestSettings } from "../components/release/settings.ts";
import { WebService } from "../components/release/web-service.ts";

/** Togather: a Go server with a job queue, on PostgreSQL with PostGIS, pgvector and pg_trgm. */
export const togather = defineSystem({
  name: "togather",
  secrets: {
    jwtSecret: {
      description: "key that signs the JSON Web Tokens",
      format: { kind: "base64", bytes: 32 },
      rotateAfterDays: 90,
    },
    adminApiKey: { description: "key of the admin API", format: { kind: "hex", bytes: 32 } },
  },
  settings: {
    app: appSettings(
      {
        image: "togather/app",
        memoryMebibytes: 512,
        port: 8080,
        variables: { PORT: "port", ENVIRONMENT: "berth:environment", LOG_LEVEL: "logLevel" },
        secrets: { JWT_SECRET: "jwtSecret", ADMIN_API_KEY: "adminApiKey" },
        connection: { DATABASE_URL: "url" },
        healthFields: {
          status: "healthy",
          database: "connected",
          migrations: "up-to-date",
          jobs: "operational",
        },
      },
      {
        /** Networks whose clients may use the admin API; nobody else does, whatever key they have. */
        adminAllowedFrom: z.array(network).default([]),
        logLevel: z.enum(["DEBUG", "INFO", "WARN", "ERROR"]).default("INFO"),
        ...integrationTestSettings,
      },
    ),
    postgres: postgresSettings({ image: "togather/postgres", memoryMebibytes: 1024, tunnelPort: 15432 }),
    limits: limitsSettings(
      { requestsPerSecond: 500, burst: 1000 },
      { admin: rateSettings({ requestsPerSecond: 5, burst: 20 }) },
    ),
    snapshots: snapshotSettings,
    migrations: migrationSettings("app", [
      {
        kind: "golang-migrate",
        folder: "/app/internal/storage/postgres/migrations",
        command: ["migrate"],
      },
    ]),
    probe: probePatience,
  },
  routes: (domain, { app, limits }) => ({
    app: [
      limited({ domain, path: "/", port: app.port }, limits),
      limited(
        { domain, path: "/api/v1/admin/", port: app.port, allowFrom: app.adminAllowedFrom, banOn: [401] },
        limits,
        limits.admin,
      ),
    ],
  }),
  build(context) {
    const { domain, services } = context;
    const { app, snapshots, migrations, probe } = context.settings;
    const network = privateNetwork(context);
    const database = new Database(context, "database", {
      postgres: new Postgres(services.postgres, { network }),
      name: "togather",
      extensions: ["postgis", "vector", "pg_trgm"],
      // Its first migration adds WGS 84, for images whose PostGIS lacks it.
      grants: [{ table: "spatial_ref_sys", privileges: ["INSERT"] }],
    });
    const tests = {
      command: ["/app/integration-tests"],
      deadlineSeconds: 300,
      limits: { memoryMebibytes: 512 },
    };
    const web = new WebService(services.app, {
      command: ["/app/server"],
      networks: [network],
      // The server reads variables only.
      secretsAs: "variables",
      database,
      schema: { migrations, snapshots },
      health: { tool: "wget", path: "/health" },
      probe,
      integrationTests: app.integrationTests ? { ...tests, domain } : undefined,
    });
    return { services: { app: web.released }, healthUrl: `https://${domain}/health` };
  },
});
