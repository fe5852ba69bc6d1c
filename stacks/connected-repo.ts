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

/** What a browser sends as `Origin`: the app compares the whole text (src/utils/cors.utils.ts). */
const origin = z
  .string()
  .regex(
    /^(https:\/\/([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,63}|http:\/\/localhost)(:[1-9]\d{0,4})?$/,
    "is not an origin; use https:// and a host name in lower case, a port where it is not 443, no path and no / at the end, as in https://app.example.org; http:// is for localhost alone",
  )
  .refine((text) => !text.endsWith(":443"), "names port 443, which a browser leaves out; leave it out");

const api = appSettings(
  {
    ...{ image: "connected-repo/api", memoryMebibytes: 1024, cpus: 1, replicas: 2, port: 3000 },
    // Its Dockerfile's; the probe's patience is longer.
    healthCheck: { intervalSeconds: 30, timeoutSeconds: 10, startPeriodSeconds: 40, retries: 3 },
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
    googleClientId: z
      .string()
      .regex(
        /^[\w-]+\.apps\.googleusercontent\.com$/,
        "is not a client id of Google; use one as in 1234-abcd.apps.googleusercontent.com",
      ),
    /** Origins of the frontends. */
    allowedOrigins: z
      .array(origin)
      .min(1, "is empty; name the frontend's origin, as in https://app.example.org")
      .refine((all) => new Set(all).size === all.length, "names an origin twice; remove one of them"),
    /** Where people are sent after they have signed in. */
    webappUrl: z.url({
      protocol: /^https?$/,
      error: "is not a URL; use one as in https://app.example.org",
    }),
  },
);

const checkedApi: typeof api = {
  ...api,
  problems(own, key, all) {
    const problems = api.problems?.(own, key, all) ?? [];
    const { webappUrl, allowedOrigins } = own;
    const webapp = URL.parse(webappUrl)?.origin;
    if (webapp === undefined || allowedOrigins.includes(webapp)) return problems;
    const message = `is at an origin that ${key}.allowedOrigins lacks, so its requests would be refused; use one at ${allowedOrigins.join(" or ")}, or add its origin there`;
    return [...problems, { path: ["webappUrl"], input: webappUrl, message }];
  },
};

/** connected-repo's backend: Node, on PostgreSQL. Sessions are in the database, so replicas share them. */
export const connectedRepo = defineSystem({
  name: "connected-repo",
  secrets: {
    sessionSecret: {
      description: "key of the sessions, 32 characters or more",
      format: { kind: "text", minimumLength: 32, random: true },
    },
    googleClientSecret: {
      description: "OAuth client secret of Google",
      format: { kind: "text", minimumLength: 16 },
    },
  },
  settings: {
    api: checkedApi,
    postgres: postgresSettings({ image: "connected-repo/postgres", memoryMebibytes: 512, tunnelPort: 15434 }),
    // 200 at once, then as many a minute: one request and 199 beyond the rate.
    limits: limitsSettings({ requestsPerMinute: 200, burst: 199 }, {}),
    snapshots: snapshotSettings,
    migrations: migrationSettings("api", [
      {
        ...{ kind: "command", name: "schema", command: ["node", "dist/db/db_script.js", "up"] },
        // It checks all of its environment before it connects (src/configs/env.config.ts).
        ...{ serviceVariables: true, secrets: ["SESSION_SECRET", "GOOGLE_CLIENT_SECRET"] },
      },
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
      // It migrates at each start, which finds nothing left after a release.
      command: ["docker-entrypoint.sh", "node", "dist/server.js"],
      networks: [network],
      secretsAs: "variables",
      // Whatever the stack: as "development" it listens on its own loopback and sends its cookies in clear.
      environment: { NODE_ENV: "production" },
      database: new Database(context, "database", { postgres, name: "connected_repo", extensions: [] }),
      schema: { migrations, snapshots },
      health: { tool: "node", path: "/health" },
      probe,
    });
    return { services: { api: api.released }, healthUrl: `https://${domain}/health` };
  },
});
