import { z } from "zod";
import { Database } from "../components/data/database.ts";
import { Postgres } from "../components/data/postgres.ts";
import { postgresSettings, snapshotSettings } from "../components/data/settings.ts";
import { defineSystem } from "../components/declaration.ts";
import { limited, limitsSettings } from "../components/edge/settings.ts";
import { privateNetwork } from "../components/network/overlay.ts";
import { migrationSettings } from "../components/release/migration-steps.ts";
import { probePatience } from "../components/release/probe.ts";
import { appSettings } from "../components/release/settings.ts";
import { WebService } from "../components/release/web-service.ts";

/** connected-repo's backend: Fastify on Node, on PostgreSQL. Sessions are in the database, so replicas share them. */
export const connectedRepo = defineSystem({
  name: "connectedrepo",
  secrets: {
    sessionSecret: {
      description: "key of the sessions, 32 characters or more",
      format: { kind: "base64", bytes: 32 },
    },
    googleClientSecret: {
      description: "OAuth client secret of Google",
      format: { kind: "text", minimumLength: 16 },
    },
  },
  settings: {
    api: appSettings(
      {
        ...{ image: "connected-repo/api", memoryMebibytes: 512, replicas: 2, port: 3000 },
        variables: {
          ...{ PORT: "port", GOOGLE_CLIENT_ID: "googleClientId", ALLOWED_ORIGINS: "allowedOrigins" },
          ...{ WEBAPP_URL: "webappUrl", VITE_API_URL: "berth:url" },
        },
        secrets: { SESSION_SECRET: "sessionSecret", GOOGLE_CLIENT_SECRET: "googleClientSecret" },
        // node-postgres: TLS as the variable says, by what Node trusts.
        connection: {
          ...{ DB_HOST: "host", DB_PORT: "port", DB_USER: "user", DB_PASSWORD: "password" },
          ...{ DB_NAME: "name", PGSSLMODE: "tlsMode", NODE_EXTRA_CA_CERTS: "authorityFile" },
        },
        healthFields: { status: "ok" },
      },
      {
        googleClientId: z.string().min(1),
        /** Origins of the frontends, separated by commas. */
        allowedOrigins: z.string().min(1),
        webappUrl: z.url("is not a URL; use one as in https://app.example.org"),
      },
    ),
    postgres: postgresSettings({ image: "connected-repo/postgres", memoryMebibytes: 512, tunnelPort: 15434 }),
    limits: limitsSettings({ requestsPerMinute: 200, burst: 200 }, {}),
    snapshots: snapshotSettings,
    migrations: migrationSettings("api", [
      { kind: "command", name: "schema", command: ["node", "dist/db/db_script.js", "up"] },
    ]),
    probe: probePatience,
  },
  routes: (domain, { api, limits }) => ({ api: [limited({ domain, path: "/", port: api.port }, limits)] }),
  build(context) {
    const { domain, services } = context;
    const { snapshots, migrations, probe } = context.settings;
    const network = privateNetwork(context);
    const postgres = new Postgres(services.postgres, { network });
    const api = new WebService(services.api, {
      command: ["docker-entrypoint.sh", "node", "dist/server.js"],
      networks: [network],
      secretsAs: "variables",
      environment: { NODE_ENV: "production" },
      database: new Database(context, "database", { postgres, name: "connectedrepo", extensions: [] }),
      schema: { migrations, snapshots },
      health: { tool: "node", path: "/health" },
      probe,
    });
    return { services: { api: api.released }, healthUrl: `https://${domain}/health` };
  },
});
