import { interpolate } from "@pulumi/pulumi";
import { z } from "zod";
import { Database } from "../components/data/database.ts";
import { Postgres } from "../components/data/postgres.ts";
import { postgresSettings, snapshotSettings } from "../components/data/settings.ts";
import { defineSystem } from "../components/declaration.ts";
import { limited, limitsSettings } from "../components/edge/settings.ts";
import { privateNetwork } from "../components/network/overlay.ts";
import { migrationSettings, writtenFolder } from "../components/release/migration-steps.ts";
import { probePatience } from "../components/release/probe.ts";
import { appSettings } from "../components/release/settings.ts";
import { WebService } from "../components/release/web-service.ts";
import { domainSchema } from "../components/schema.ts";
import { writtenSecret } from "../components/secrets/written-secret.ts";

const configurationFile = "/run/secrets/zitadel.yaml";
const keyFile = ["--masterkeyFile", "/run/secrets/ZITADEL_MASTERKEY", "--config", configurationFile];
/** A personal access token, which Zitadel's setup makes for the login (FirstInstance in its cmd/setup/steps.yaml). */
const loginToken = "login-client.pat";
const pool = z.int().min(1).max(100);

/** GadgetBot, a TanStack Start app that its users log in to by Zitadel; each has a PostgreSQL server of its own. */
export const gadgetbot = defineSystem({
  name: "gadgetbot",
  secrets: {
    betterAuthSecret: { description: "key of the sessions", format: { kind: "base64", bytes: 32 } },
    zitadelMasterkey: {
      description: "key by which Zitadel encrypts what it keeps; another one cannot read it",
      format: { kind: "characters", length: 32 },
    },
  },
  settings: {
    app: appSettings(
      {
        ...{ image: "gadgetbot/app", memoryMebibytes: 512, port: 3000 },
        variables: {
          ...{ APP_URL: "berth:url", BETTER_AUTH_URL: "berth:url", ZITADEL_ISSUER_URL: "issuerUrl" },
          ...{ ZITADEL_CLIENT_ID: "clientId", DATABASE_POOL_MIN: "poolMin", DATABASE_POOL_MAX: "poolMax" },
        },
        refused: {
          ZITADEL_ISSUER:
            "is not what the app reads, which is ZITADEL_ISSUER_URL and follows gadgetbot:app.issuerUrl",
        },
        secrets: { BETTER_AUTH_SECRET: "betterAuthSecret" },
        // postgres.js sends every other parameter of the URL to the server, which refuses it (src/index.js, parseOptions); what it trusts is
        // what Node trusts.
        connection: { DATABASE_URL: "url", NODE_EXTRA_CA_CERTS: "authorityFile" },
        databaseTls: { mode: "verify-full", urlParameters: { sslmode: "verify-full" } },
      },
      {
        issuerUrl: z.url("is not a URL; use one as in https://auth.example.org"),
        clientId: z
          .string()
          .regex(/^\d+$/, "is not a client id; use the digits alone, as in 344936354465016579"),
        ...{ poolMin: pool.default(2), poolMax: pool.default(10) },
      },
    ),
    zitadel: appSettings(
      {
        ...{ image: "gadgetbot/zitadel", memoryMebibytes: 800, port: 8080 },
        variables: { ZITADEL_PORT: "port", ZITADEL_EXTERNALDOMAIN: "domain" },
        secrets: { ZITADEL_MASTERKEY: "zitadelMasterkey" },
        connection: {
          ...{ ZITADEL_DATABASE_POSTGRES_HOST: "host", ZITADEL_DATABASE_POSTGRES_PORT: "port" },
          ...{ ZITADEL_DATABASE_POSTGRES_USER_USERNAME: "user", ZITADEL_DATABASE_POSTGRES_DATABASE: "name" },
          ZITADEL_DATABASE_POSTGRES_USER_SSL_MODE: "tlsMode",
          ZITADEL_DATABASE_POSTGRES_USER_SSL_ROOTCERT: "authorityFile",
        },
        made: ["zitadel.yaml"],
      },
      { domain: domainSchema },
    ),
    login: appSettings(
      {
        ...{ image: "gadgetbot/login", memoryMebibytes: 256, port: 3000 },
        variables: { PORT: "port" },
        made: ["ZITADEL_SERVICE_USER_TOKEN"],
      },
      {},
    ),
    postgres: postgresSettings({ image: "gadgetbot/postgres", memoryMebibytes: 400, tunnelPort: 15436 }),
    zitadeldb: postgresSettings({ image: "gadgetbot/postgres", memoryMebibytes: 400, tunnelPort: 15437 }),
    limits: limitsSettings({ requestsPerSecond: 100, burst: 200 }, {}),
    snapshots: snapshotSettings,
    migrations: migrationSettings("app", [
      { kind: "command", name: "schema", command: ["npm", "run", "db:migrate"] },
    ]),
    zitadelSetup: migrationSettings("zitadel", [
      {
        ...{ kind: "command", name: "setup", command: ["/app/zitadel", "setup", ...keyFile] },
        ...{ secrets: ["ZITADEL_MASTERKEY", "zitadel.yaml"], shell: false, writes: [loginToken] },
        environment: {
          ZITADEL_FIRSTINSTANCE_LOGINCLIENTPATPATH: `${writtenFolder}/${loginToken}`,
          ZITADEL_FIRSTINSTANCE_ORG_LOGINCLIENT_MACHINE_USERNAME: "login-client",
          ZITADEL_FIRSTINSTANCE_ORG_LOGINCLIENT_MACHINE_NAME: "Login",
          ZITADEL_FIRSTINSTANCE_ORG_LOGINCLIENT_PAT_EXPIRATIONDATE: "2099-01-01T00:00:00Z",
        },
      },
    ]),
    probe: probePatience,
  },
  routes: (domain, { app, zitadel, login, limits }) => ({
    app: [limited({ domain, path: "/", port: app.port }, limits)],
    zitadel: [limited({ domain: zitadel.domain, path: "/", port: zitadel.port, protocol: "h2c" }, limits)],
    login: [limited({ domain: zitadel.domain, path: "/ui/v2/login", port: login.port }, limits)],
  }),
  build(context) {
    const { domain, services, settings } = context;
    const { snapshots, probe } = settings;
    const network = privateNetwork(context);
    const common = { networks: [network], probe };
    const postgres = new Postgres(services.postgres, { network });
    const app = new WebService(services.app, {
      ...{ ...common, command: ["node", ".output/server/index.mjs"], secretsAs: "variables" },
      database: new Database(context, "database", { postgres, name: "gadgetbot", extensions: [] }),
      schema: { migrations: settings.migrations, snapshots },
      health: { tool: "curl", path: "/" },
    });
    const server = new Postgres(services.zitadeldb, { network });
    const database = new Database(context, "zitadel-database", {
      postgres: server,
      name: "zitadel",
      extensions: [],
    });
    const zitadel = new WebService(services.zitadel, {
      ...common,
      command: ["/app/zitadel", "start", ...keyFile, "--tlsMode", "external"],
      // The image has no shell; the password is in its configuration file alone.
      secretsAs: "files",
      secrets: {
        "zitadel.yaml": interpolate`Database:\n  postgres:\n    User:\n      Password: ${database.password}\n`,
      },
      environment: {
        ...{ ZITADEL_EXTERNALSECURE: "true", ZITADEL_EXTERNALPORT: "443", ZITADEL_TLS_ENABLED: "false" },
        ZITADEL_DEFAULTINSTANCE_FEATURES_LOGINV2_REQUIRED: "true",
      },
      database,
      schema: { migrations: settings.zitadelSetup, snapshots },
      health: { tool: "none", path: "/debug/healthz" },
    });
    const login = new WebService(services.login, {
      ...common,
      command: ["node", "/runtime/apps/login/server.js"],
      secretsAs: "fileVariables",
      secrets: {
        ZITADEL_SERVICE_USER_TOKEN: writtenSecret(
          "gadgetbot-login-token",
          {
            ...{ host: context.host, service: services.zitadel.name, file: loginToken },
            dependsOn: [zitadel.switched],
          },
          { parent: context.parent },
        ),
      },
      environment: {
        ZITADEL_API_URL: `https://${settings.zitadel.domain}`,
        NEXT_PUBLIC_BASE_PATH: "/ui/v2/login",
      },
      health: { tool: "node", path: "/ui/v2/login/healthy" },
      dependsOn: [zitadel.switched],
    });
    const released = { app: app.released, zitadel: zitadel.released, login: login.released };
    return { services: released, healthUrl: `https://${domain}/` };
  },
});
