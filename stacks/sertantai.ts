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
import { domainSchema } from "../components/schema.ts";
import type { SecretSpec } from "../components/secrets/secret.ts";

const keyBase = (of: string): SecretSpec => ({
  description: `key from which Phoenix derives the others, of ${of}`,
  format: { kind: "base64", bytes: 64 },
});
const streamId =
  "is not read by ElectricSQL since 1.4, which names slot and publication by its stream; leave it out";
/** A Phoenix app: its own secret, its database's URL; PHX_HOST follows its domain. */
const phoenix = (service: string, port: number, secret: string, host: string) => ({
  ...{ image: `sertantai/${service}`, memoryMebibytes: 384, port },
  variables: { PORT: "port", PHX_HOST: host },
  secrets: { SECRET_KEY_BASE: secret },
  connection: { DATABASE_URL: "url" as const },
  // Ecto's URL turns TLS on and names no authority (lib/ecto/repo/supervisor.ex, parse_uri_query); the image's config/runtime.exs sets none.
  databaseTls: { mode: "require" as const, urlParameters: { ssl: "true" } },
});
const migrate = [{ kind: "command" as const, name: "schema", command: ["/app/bin/migrate"] }];

/** Sertantai: a SvelteKit frontend, three Phoenix apps and ElectricSQL, which share one PostgreSQL server. */
export const sertantai = defineSystem({
  name: "sertantai",
  secrets: {
    backendKeyBase: keyBase("the backend"),
    authKeyBase: keyBase("auth"),
    enforcementKeyBase: keyBase("enforcement"),
    electricSecret: { description: "ELECTRIC_SECRET", format: { kind: "base64", bytes: 32 } },
  },
  settings: {
    frontend: appSettings({ image: "sertantai/frontend", memoryMebibytes: 128, port: 3000 }, {}),
    backend: appSettings(phoenix("backend", 4000, "backendKeyBase", "berth:domain"), {}),
    auth: appSettings(phoenix("auth", 4001, "authKeyBase", "domain"), { domain: domainSchema }),
    enforcement: appSettings(phoenix("enforcement", 4002, "enforcementKeyBase", "domain"), {
      domain: domainSchema,
    }),
    electric: appSettings(
      {
        ...{ image: "sertantai/electric", memoryMebibytes: 384, port: 3000 },
        variables: { ELECTRIC_PORT: "port", ELECTRIC_REPLICATION_STREAM_ID: "streamId" },
        refused: { ELECTRIC_SLOT_NAME: streamId, ELECTRIC_PUBLICATION_NAME: streamId },
        secrets: { ELECTRIC_SECRET: "electricSecret" },
        // It knows no verify-full in a URL, and verifies by this file (lib/electric/config.ex, parse_url_query).
        connection: { DATABASE_URL: "url", ELECTRIC_DATABASE_CA_CERTIFICATE_FILE: "authorityFile" },
        databaseTls: { mode: "verify-full", urlParameters: { sslmode: "require" } },
      },
      /** Of the replication: its slot is electric_slot_<id>, which is unique on the server. */
      {
        streamId: z
          .string()
          .regex(/^[a-z0-9_]+$/, "is invalid; use lower-case letters, digits and _")
          .default("legal"),
      },
    ),
    postgres: postgresSettings({ image: "sertantai/postgres", memoryMebibytes: 1024, tunnelPort: 15435 }),
    limits: limitsSettings({ requestsPerSecond: 100, burst: 200 }, {}),
    snapshots: snapshotSettings,
    backendMigrations: migrationSettings("backend", migrate),
    authMigrations: migrationSettings("auth", migrate),
    enforcementMigrations: migrationSettings("enforcement", migrate),
    probe: probePatience,
  },
  routes(domain, { frontend, backend, auth, enforcement, electric, limits }) {
    const shapes = {
      path: "/electric/",
      stripPrefix: true,
      streaming: true,
      readTimeoutSeconds: 86_400,
    } as const;
    return {
      frontend: [limited({ domain, path: "/", port: frontend.port }, limits)],
      backend: [
        limited({ domain, path: "/api/", port: backend.port }, limits),
        limited({ domain, path: "/health", match: "exact", port: backend.port }, limits),
      ],
      electric: [limited({ domain, port: electric.port, ...shapes }, limits)],
      auth: [limited({ domain: auth.domain, path: "/", port: auth.port, banOn: [401] }, limits)],
      enforcement: [limited({ domain: enforcement.domain, path: "/", port: enforcement.port }, limits)],
    };
  },
  build(context) {
    const { domain, services, settings } = context;
    const { snapshots, probe } = settings;
    const network = privateNetwork(context);
    const postgres = new Postgres(services.postgres, { network, parameters: { wal_level: "logical" } });
    const extensions = ["uuid-ossp", "citext"];
    const database = (name: string, replication = false) =>
      new Database(context, `${name}-database`, {
        postgres,
        name: `sertantai_${name}`,
        extensions,
        replication,
      });
    const legal = database("legal", true);
    const common = { networks: [network], secretsAs: "variables", probe } as const;
    const phoenixApp = {
      ...common,
      command: ["/app/bin/server"],
      health: { tool: "wget", path: "/health" },
    } as const;
    const released = {
      frontend: new WebService(services.frontend, {
        ...{ ...common, secretsAs: "files", command: ["serve", "--single", "build"] },
        health: { tool: "wget", path: "/" },
      }),
      backend: new WebService(services.backend, {
        ...{ ...phoenixApp, database: legal },
        schema: { migrations: settings.backendMigrations, snapshots },
      }),
      auth: new WebService(services.auth, {
        ...{ ...phoenixApp, database: database("auth") },
        schema: { migrations: settings.authMigrations, snapshots },
      }),
      enforcement: new WebService(services.enforcement, {
        ...{ ...phoenixApp, database: database("enforcement") },
        schema: { migrations: settings.enforcementMigrations, snapshots },
      }),
      electric: new WebService(services.electric, {
        ...{ ...common, command: ["/app/bin/entrypoint", "start"], database: legal },
        health: { tool: "curl", path: "/v1/health" },
        // Two of them would wait for one replication slot.
        order: "stop-first",
      }),
    };
    const versions = Object.entries(released).map(([name, service]) => [name, service.released]);
    return { services: Object.fromEntries(versions), healthUrl: `https://${domain}/health` };
  },
});
