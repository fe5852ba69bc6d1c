import { jsonStringify } from "@pulumi/pulumi";
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
import { berthTokenFile, ZitadelApplication } from "../components/zitadel/application.ts";

const zitadelFile = (name: string) => `/run/secrets/${name}`;
const zitadelFlags = [
  "--masterkeyFile",
  zitadelFile("ZITADEL_MASTERKEY"),
  "--config",
  zitadelFile("zitadel.yaml"),
];
/** Personal access tokens, which Zitadel's setup makes once (cmd/setup/03.go): the login's, and Berth's for the application. */
const tokens = { login: "login-client.pat", berth: berthTokenFile };
/** Count up after another token has been put in its place on the host. */
const tokenGeneration = z.int().min(1).default(1);
const pool = z.int().min(1).max(100);
const byBerth = (...names: readonly string[]) =>
  Object.fromEntries(names.map((name) => [name, "is set by Berth"]));

const app = appSettings(
  {
    ...{ image: "gadgetbot/app", memoryMebibytes: 512, cpus: 0.5, port: 3000 },
    variables: {
      ...{ APP_URL: "berth:url", BETTER_AUTH_URL: "berth:url", ZITADEL_CLIENT_ID: "clientId" },
      ...{ DATABASE_POOL_MIN: "poolMin", DATABASE_POOL_MAX: "poolMax" },
    },
    refused: {
      ZITADEL_ISSUER_URL: "follows gadgetbot:zitadel.domain, which is what to set",
      ZITADEL_ISSUER:
        "is not what the app reads, which is ZITADEL_ISSUER_URL and follows gadgetbot:zitadel.domain",
      ZITADEL_CLIENT_SECRET:
        "is of no use: the app signs in with PKCE, so choose the authentication method None for it in Zitadel",
    },
    secrets: { BETTER_AUTH_SECRET: "betterAuthSecret" },
    // postgres.js sends every other parameter of the URL to the server, which refuses it (src/index.js, parseOptions); what it trusts is
    // what Node trusts.
    connection: { DATABASE_URL: "url", NODE_EXTRA_CA_CERTS: "authorityFile" },
    databaseTls: { mode: "verify-full", urlParameters: { sslmode: "verify-full" } },
  },
  {
    /** Of an application that somebody else has made at Zitadel; left out, Berth declares one. */
    clientId: z
      .string()
      .regex(/^\d*$/, "is not a client id; use the digits alone, as in 344936354465016579")
      .default(""),
    ...{ poolMin: pool.default(2), poolMax: pool.default(10) },
  },
);

const zitadel = appSettings(
  {
    ...{ image: "gadgetbot/zitadel", memoryMebibytes: 800, cpus: 0.5, port: 8080 },
    variables: { ZITADEL_PORT: "port", ZITADEL_EXTERNALDOMAIN: "domain" },
    secrets: { ZITADEL_MASTERKEY: "zitadelMasterkey" },
    connection: {
      ...{ ZITADEL_DATABASE_POSTGRES_HOST: "host", ZITADEL_DATABASE_POSTGRES_PORT: "port" },
      ...{ ZITADEL_DATABASE_POSTGRES_USER_USERNAME: "user", ZITADEL_DATABASE_POSTGRES_DATABASE: "name" },
      ZITADEL_DATABASE_POSTGRES_USER_SSL_MODE: "tlsMode",
      ZITADEL_DATABASE_POSTGRES_USER_SSL_ROOTCERT: "authorityFile",
    },
    refused: byBerth(
      ...["ZITADEL_EXTERNALSECURE", "ZITADEL_EXTERNALPORT", "ZITADEL_TLS_ENABLED"],
      "ZITADEL_DEFAULTINSTANCE_FEATURES_LOGINV2_REQUIRED",
    ),
    made: ["zitadel.yaml", "zitadel-steps.yaml"],
  },
  { domain: domainSchema, tokenGeneration },
);

const login = appSettings(
  {
    ...{ image: "gadgetbot/login", memoryMebibytes: 256, cpus: 0.25, port: 3000 },
    variables: { PORT: "port" },
    refused: byBerth("ZITADEL_API_URL", "NEXT_PUBLIC_BASE_PATH"),
    made: ["ZITADEL_SERVICE_USER_TOKEN"],
  },
  {
    /** Until when the tokens are good that the first setup makes. */
    tokenExpires: z.iso.date("is not a day; use one as in 2029-01-01").default("2029-01-01"),
    tokenGeneration,
  },
);

/**
 * Zitadel's GadgetBot organisation, its first user and the two that have tokens: read once, by the setup of an empty database. It makes
 * the person and the machine users (internal/command/instance.go, setupAdmins).
 */
const firstInstance = (password: unknown, tokenExpires: string) => {
  const Pat = { ExpirationDate: `${tokenExpires}T00:00:00Z` };
  return {
    FirstInstance: {
      PatPath: `${writtenFolder}/${tokens.berth}`,
      LoginClientPatPath: `${writtenFolder}/${tokens.login}`,
      Org: {
        Name: "GadgetBot",
        Human: { UserName: "admin", Password: password, PasswordChangeRequired: false },
        Machine: { Machine: { Username: "berth", Name: "Berth" }, Pat },
        LoginClient: { Machine: { Username: "login-client", Name: "Login" }, Pat },
      },
    },
  };
};

/** GadgetBot, a TanStack Start app that its users log in to by Zitadel; each has a PostgreSQL server of its own. */
export const gadgetbot = defineSystem({
  name: "gadgetbot",
  secrets: {
    betterAuthSecret: { description: "key of the sessions", format: { kind: "base64", bytes: 32 } },
    zitadelMasterkey: {
      description: "key by which Zitadel encrypts what it keeps; another one cannot read it",
      format: { kind: "characters", length: 32 },
    },
    zitadelAdminPassword: {
      description: "first password of Zitadel's first user, admin@gadgetbot.<domain>",
      format: { kind: "password", minimumLength: 12 },
    },
  },
  settings: {
    app: {
      ...app,
      problems(own, key, all) {
        const problems = app.problems?.(own, key, all) ?? [];
        const { poolMin, poolMax } = own;
        if (poolMin <= poolMax) return problems;
        const message = `is more than ${key}.poolMax, ${poolMax}; use ${poolMax} or less`;
        return [...problems, { path: ["poolMin"], input: poolMin, message }];
      },
    } satisfies typeof app,
    zitadel: {
      ...zitadel,
      problems(own, key, all) {
        const problems = zitadel.problems?.(own, key, all) ?? [];
        const [, major] = /^v?(\d+)\./.exec(own.version) ?? [];
        if (major === undefined || Number(major) >= 4) return problems;
        const message = "has no image of login v2; use v4.0.0 or newer";
        return [...problems, { path: ["version"], input: own.version, message }];
      },
    } satisfies typeof zitadel,
    login: {
      ...login,
      problems(own, key, all) {
        const problems = login.problems?.(own, key, all) ?? [];
        const { version } = all.zitadel as { readonly version: string };
        if (own.version === version) return problems;
        const message = `is not gadgetbot:zitadel.version, ${version}; the two are released together`;
        return [...problems, { path: ["version"], input: own.version, message }];
      },
    } satisfies typeof login,
    postgres: postgresSettings({ image: "gadgetbot/postgres", memoryMebibytes: 400, tunnelPort: 15436 }),
    zitadeldb: postgresSettings({ image: "gadgetbot/postgres", memoryMebibytes: 400, tunnelPort: 15437 }),
    limits: limitsSettings({ requestsPerSecond: 100, burst: 200 }, {}),
    snapshots: snapshotSettings,
    migrations: migrationSettings("app", [
      { kind: "command", name: "schema", command: ["npm", "run", "db:migrate"] },
    ]),
    zitadelSetup: migrationSettings("zitadel", [
      {
        ...{
          kind: "command",
          name: "setup",
          shell: false,
          serviceVariables: true,
          writes: Object.values(tokens),
        },
        command: ["/app/zitadel", "setup", ...zitadelFlags, "--steps", zitadelFile("zitadel-steps.yaml")],
        secrets: ["ZITADEL_MASTERKEY", "zitadel.yaml", "zitadel-steps.yaml"],
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
    const { domain, services, settings, secret } = context;
    const { snapshots, probe } = settings;
    const network = privateNetwork(context);
    const common = { networks: [network], probe };
    const issuer = `https://${settings.zitadel.domain}`;
    const postgres = new Postgres(services.postgres, { network });
    const server = new Postgres(services.zitadeldb, { network });
    const database = new Database(context, "zitadel-database", {
      ...{ postgres: server, name: "zitadel", extensions: [] },
    });
    const zitadel = new WebService(services.zitadel, {
      ...{ ...common, command: ["/app/zitadel", "start", ...zitadelFlags, "--tlsMode", "external"] },
      // The image has no shell; the password is in its configuration file alone.
      secretsAs: "files",
      secrets: {
        "zitadel.yaml": jsonStringify({ Database: { postgres: { User: { Password: database.password } } } }),
      },
      environment: {
        ...{ ZITADEL_EXTERNALSECURE: "true", ZITADEL_EXTERNALPORT: "443", ZITADEL_TLS_ENABLED: "false" },
        ZITADEL_DEFAULTINSTANCE_FEATURES_LOGINV2_REQUIRED: "true",
      },
      database,
      schema: {
        ...{ migrations: settings.zitadelSetup, snapshots },
        secrets: {
          "zitadel-steps.yaml": jsonStringify(
            firstInstance(secret("zitadelAdminPassword"), settings.login.tokenExpires),
          ),
        },
      },
      // Ready when its database answers too (internal/api/api.go); `/debug/healthz` says that it runs.
      health: { tool: "none", path: "/debug/ready" },
    });
    const token = (name: string, file: string, reading: number) =>
      writtenSecret(
        name,
        { host: context.host, service: services.zitadel.name, file, reading, dependsOn: [zitadel.switched] },
        { parent: context.parent },
      );
    const login = new WebService(services.login, {
      ...{ ...common, command: ["node", "apps/login/server.js"], secretsAs: "variables" },
      trustsEdgeBy: "NODE_EXTRA_CA_CERTS",
      secrets: {
        ZITADEL_SERVICE_USER_TOKEN: token(
          "gadgetbot-login-token",
          tokens.login,
          settings.login.tokenGeneration,
        ),
      },
      environment: { ZITADEL_API_URL: issuer, NEXT_PUBLIC_BASE_PATH: "/ui/v2/login" },
      health: { tool: "node", path: "/ui/v2/login/healthy" },
      dependsOn: [zitadel.switched],
    });
    const { issuerPem } = context.edge;
    const clientId =
      settings.app.clientId ||
      new ZitadelApplication(
        "gadgetbot-application",
        {
          ...{ domain: settings.zitadel.domain, address: context.host.connection.address },
          ...(issuerPem !== undefined && { authorityPem: issuerPem }),
          token: token("gadgetbot-application-token", tokens.berth, settings.zitadel.tokenGeneration),
          ...{ project: "GadgetBot", application: "GadgetBot Web" },
          redirectUris: [`https://${domain}/api/auth/callback/zitadel`],
          postLogoutRedirectUris: [`https://${domain}`],
        },
        { parent: context.parent, dependsOn: [zitadel.switched] },
      ).clientId;
    const app = new WebService(services.app, {
      ...{ ...common, command: ["node", ".output/server/index.mjs"], secretsAs: "variables" },
      environment: { ZITADEL_ISSUER_URL: issuer, ZITADEL_CLIENT_ID: clientId },
      trustsEdgeBy: "NODE_EXTRA_CA_CERTS",
      database: new Database(context, "database", { postgres, name: "gadgetbot", extensions: [] }),
      schema: { migrations: settings.migrations, snapshots },
      health: { tool: "curl", path: "/" },
    });
    const released = { app: app.released, zitadel: zitadel.released, login: login.released };
    return { services: released, healthUrl: `https://${domain}/` };
  },
});
