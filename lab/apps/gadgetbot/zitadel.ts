import { standIn } from "../application.ts";

/**
 * Zitadel, Go. Source: the seed `gadgetbot-zitadel.md`, whose lines are named below, and github.com/zitadel/zitadel: its image has one
 * program and no shell (apps/api/Dockerfile, `FROM scratch`); phases (docs, "Update and Scale ZITADEL"); settings (cmd/defaults.yaml,
 * cmd/setup/steps.yaml, as variables with ZITADEL_ in front, or as files); health (internal/api/api.go); paths of OIDC
 * (internal/api/oidc/op.go); the login's calls (docs, "OIDC Standard": auth requests and callback); the management API
 * (proto/zitadel/management.proto, as scripts/zitadel-import.ts of github.com/mvellandi/gadgetbot uses it). OpenID Connect itself is the package oidc-provider, its state
 * in the database. gRPC, actions, SAML and the console's pages are left out.
 */
export const declaration = standIn({
  standsInFor: "Zitadel",
  workingDirectory: "/",
  user: "1000:1000",
  shell: false,
  entrypoint: ["/app/zitadel"],
  files: { "/app/zitadel": { runs: "cli.ts" } },
  packages: ["oidc-provider", "yaml"],
  variables: {
    ZITADEL_PORT: { is: "port that it listens on", number: [1, 65_535], default: "8080" },
    // L187
    ZITADEL_EXTERNALDOMAIN: { is: "domain by which it is reached" },
    ZITADEL_EXTERNALPORT: { is: "port by which it is reached", number: [1, 65_535], default: "8080" },
    ZITADEL_EXTERNALSECURE: {
      is: "it is reached by https",
      oneOf: ["true", "false"],
      default: "true",
    },
    ZITADEL_TLS_ENABLED: {
      is: "it has a certificate of its own, which the stand-in does not",
      oneOf: ["false"],
      default: "false",
    },
    // L189
    ZITADEL_DEFAULTINSTANCE_FEATURES_LOGINV2_REQUIRED: {
      is: "it leaves signing in to login v2, which is the only one that the stand-in knows",
      oneOf: ["true"],
    },
    // cli.ts sets the two, from the file of the master key and from the parts of the connection.
    ZITADEL_MASTERKEY: { is: "key of what it keeps", leastCharacters: 32, secret: true },
    ZITADEL_DATABASE_POSTGRES_DSN: {
      is: "postgresql://user:password@host:5432/zitadel",
      url: ["postgresql"],
      secret: true,
    },
  },
  database: {
    connection: { url: "ZITADEL_DATABASE_POSTGRES_DSN" },
    migrations: {
      folder: "/opt/zitadel/setup",
      shipped: [
        { name: "01_instance" },
        { name: "02_oidc" },
        { name: "03_configuration" },
        { name: "04_devices", since: 5 },
        { name: "05_broken", only: "broken-migration" },
      ],
      // The real one records its steps as events (internal/migration/migration.go).
      state: "SELECT max(step) AS version, false AS dirty FROM setup_steps",
      runner: {
        create: "CREATE TABLE IF NOT EXISTS setup_steps (step int PRIMARY KEY, name text NOT NULL)",
        applied: "SELECT name FROM setup_steps",
        record: "INSERT INTO setup_steps VALUES (split_part($1, '_', 1)::int, $1)",
      },
    },
  },
  special: "api.ts",
  http: {
    port: 8080,
    http2: true,
    // 412 in the real one when its database does not answer.
    health: { path: "/debug/ready", fields: { status: { from: "status" } }, considers: ["database"] },
    routes: { "GET /debug/healthz": { html: "ok" } },
  },
  ownDomain: true,
  load: [
    { method: "GET", path: "/debug/ready", expect: [200], weight: 2 },
    { method: "GET", path: "/.well-known/openid-configuration", expect: [200], weight: 4 },
    { method: "GET", path: "/oauth/v2/keys", expect: [200], weight: 4 },
    {
      method: "GET",
      path: "/ui/console",
      expect: [200],
      weight: 8,
      version: { header: "x-stand-in-version" },
    },
  ],
});
