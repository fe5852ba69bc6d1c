import { Database } from "../components/data/database.ts";
import { Postgres } from "../components/data/postgres.ts";
import { Redis } from "../components/data/redis.ts";
import { postgresSettings, redisSettings, snapshotSettings } from "../components/data/settings.ts";
import { defineSystem } from "../components/declaration.ts";
import { limited, limitsSettings } from "../components/edge/settings.ts";
import { privateNetwork } from "../components/network/overlay.ts";
import { migrationSettings } from "../components/release/migration-steps.ts";
import { probePatience } from "../components/release/probe.ts";
import { appSettings } from "../components/release/settings.ts";
import { WebService } from "../components/release/web-service.ts";
import { domainSchema } from "../components/schema.ts";
import type { SecretSpec } from "../components/secrets/secret.ts";
import { electric, electricSettings, replicationStatus } from "./electric.ts";

/** A Phoenix app with a domain, a database, secrets and migrations of its own. */
interface Microservice {
  readonly port: number;
  readonly memoryMebibytes: number;
  /** Its `mix release`, /app/bin/<release>, and the module whose `migrate()` brings its schema along. */
  readonly release: string;
  readonly migrates: string;
  /** The tool must be in its image. */
  readonly health: { readonly tool: "wget" | "curl"; readonly path: `/${string}` };
  readonly extensions: readonly string[];
  /** Variables beside SECRET_KEY_BASE that are secret, each set as `sertantai:<service><Variable>`. */
  readonly secrets: Readonly<Record<string, SecretSpec>>;
  readonly banOn?: readonly 401[];
}

const given = (description: string, minimumLength: number): SecretSpec => ({
  description,
  format: { kind: "text", minimumLength },
});
/** Phoenix derives its other keys from it and takes no shorter one. */
const keyBase = (of: string): SecretSpec => ({
  description: `SECRET_KEY_BASE of ${of}, 64 characters or more`,
  format: { kind: "text", minimumLength: 64, random: true },
});

export const microservices = {
  auth: {
    ...{ port: 4001, memoryMebibytes: 384 },
    ...{ release: "sertantai_auth", migrates: "SertantaiAuth.Release" },
    health: { tool: "wget", path: "/health" },
    extensions: ["uuid-ossp", "citext"],
    secrets: {},
    banOn: [401],
  },
  enforcement: {
    ...{ port: 4002, memoryMebibytes: 384 },
    ...{ release: "ehs_enforcement", migrates: "EhsEnforcement.Release" },
    health: { tool: "curl", path: "/health" },
    extensions: ["uuid-ossp", "citext", "pg_trgm"],
    secrets: {
      GITHUB_CLIENT_ID: given("OAuth client id of GitHub", 10),
      GITHUB_CLIENT_SECRET: given("OAuth client secret of GitHub", 20),
      TOKEN_SIGNING_SECRET: { ...keyBase("enforcement"), description: "key that signs tokens" },
    },
  },
  // `npm run new-service -- sertantai <name>` adds a service above this line.
} as const satisfies Readonly<Record<string, Microservice>>;

type Name = keyof typeof microservices;
const names = Object.keys(microservices) as Name[];
const of = (name: Name): Microservice => microservices[name];
/** `GITHUB_CLIENT_ID` of enforcement: `enforcementGithubClientId`. */
const secretKey = (name: string, variable: string) =>
  name + variable.toLowerCase().replace(/(?:^|_)(.)/g, (_, letter: string) => letter.toUpperCase());
const forEach = <Key extends string, T>(key: (name: Name) => Key, make: (name: Name) => T) =>
  Object.fromEntries(names.map((name) => [key(name), make(name)])) as Record<Key, T>;

/** What every Phoenix app of it reads. */
const phoenix = (secrets: Readonly<Record<string, string>>, host: string) => ({
  variables: { PORT: "port", PHX_HOST: host },
  secrets,
  refused: { PHX_SERVER: "is set by Berth; leave it out" },
  connection: { DATABASE_URL: "url" as const },
  // Ecto's URL turns TLS on and names no authority (lib/ecto/repo/supervisor.ex, parse_uri_query); the image's config/runtime.exs sets none.
  databaseTls: { mode: "require" as const, urlParameters: { ssl: "true" } },
});
const migrationsOf = (service: string, release: string, module: string) =>
  migrationSettings(service, [
    { kind: "command", name: "schema", command: [`/app/bin/${release}`, "eval", `${module}.migrate()`] },
  ]);
const migrationsKey = <N extends string>(name: N) => `${name}Migrations` as const;

/** Sertantai: a SvelteKit frontend, Phoenix apps and ElectricSQL, which share one PostgreSQL server, one Redis and one network. */
export const sertantai = defineSystem({
  name: "sertantai",
  secrets: {
    backendSecretKeyBase: keyBase("the backend"),
    electricSecret: { description: "ELECTRIC_SECRET", format: { kind: "base64", bytes: 32 } },
    ...(Object.fromEntries(
      names.flatMap((name) => {
        const all = { SECRET_KEY_BASE: keyBase(name), ...of(name).secrets };
        return Object.entries(all).map(([variable, spec]) => [secretKey(name, variable), spec]);
      }),
    ) as Record<string, SecretSpec>),
  },
  settings: {
    frontend: appSettings({ image: "sertantai/frontend", memoryMebibytes: 128, port: 3000 }, {}),
    backend: appSettings(
      {
        ...{ image: "sertantai/backend", memoryMebibytes: 384, port: 4000 },
        ...phoenix(
          { SECRET_KEY_BASE: "backendSecretKeyBase", ELECTRIC_SECRET: "electricSecret" },
          "berth:domain",
        ),
        refused: {
          PHX_SERVER: "is set by Berth; leave it out",
          ELECTRIC_URL: "is set by Berth, to ElectricSQL on the system's network; leave it out",
          AUTH_URL: "follows sertantai:auth.domain; leave it out",
        },
      },
      {},
    ),
    electric: electricSettings({
      ...{ image: "sertantai/electric", memoryMebibytes: 384, secret: "electricSecret", streamId: "legal" },
    }),
    ...forEach(
      (name) => name,
      (name) => {
        const { port, memoryMebibytes, secrets } = of(name);
        const variables = ["SECRET_KEY_BASE", ...Object.keys(secrets)];
        const own = Object.fromEntries(variables.map((each) => [each, secretKey(name, each)]));
        const image = `sertantai/${name}`;
        return appSettings(
          { image, memoryMebibytes, port, ...phoenix(own, "domain") },
          { domain: domainSchema },
        );
      },
    ),
    postgres: postgresSettings({ image: "sertantai/postgres", memoryMebibytes: 1024, tunnelPort: 15435 }),
    redis: redisSettings({ image: "sertantai/redis", memoryMebibytes: 64 }),
    limits: limitsSettings({ requestsPerSecond: 100, burst: 200 }, {}),
    snapshots: snapshotSettings,
    backendMigrations: migrationsOf("backend", "sertantai_legal", "SertantaiLegal.Release"),
    ...forEach(migrationsKey<Name>, (name) => migrationsOf(name, of(name).release, of(name).migrates)),
    probe: probePatience,
  },
  routes(domain, settings) {
    const { frontend, backend, electric, limits } = settings;
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
      ...forEach(
        (name) => name,
        (name) => {
          const { domain, port } = settings[name];
          const { banOn } = of(name);
          return [limited({ domain, path: "/", port, ...(banOn === undefined ? {} : { banOn }) }, limits)];
        },
      ),
    };
  },
  status: [replicationStatus("postgres")],
  build(context) {
    const { domain, services, settings } = context;
    const { snapshots, probe } = settings;
    const network = privateNetwork(context);
    const postgres = new Postgres(services.postgres, {
      network,
      // PostgreSQL's own 10 replication slots are enough. One that nobody streams keeps so much of its log, then it is given up.
      parameters: { wal_level: "logical", max_slot_wal_keep_size: "4GB" },
    });
    const database = (name: string, extensions: readonly string[], replication = false) =>
      new Database(context, `${name}-database`, {
        postgres,
        name: `sertantai_${name}`,
        extensions,
        replication,
      });
    // Ready for a service that takes `secrets: { REDIS_URL: redis.url }`.
    new Redis(services.redis, { network });
    const legal = database("legal", ["uuid-ossp", "citext"], true);
    const common = { networks: [network], secretsAs: "variables", probe } as const;
    const environment = { PHX_SERVER: "true" };
    const released = {
      frontend: new WebService(services.frontend, {
        ...{ ...common, secretsAs: "files" },
        command: ["serve", "-s", "build", "-l", String(settings.frontend.port), "--no-request-logging"],
        health: { tool: "wget", path: "/" },
      }),
      backend: new WebService(services.backend, {
        ...{ ...common, database: legal },
        // The image's own, which migrates at each start: after a release it finds nothing left.
        command: [
          ...["/bin/bash", "-c"],
          "/app/bin/sertantai_legal eval 'SertantaiLegal.Release.migrate()' && exec /app/bin/sertantai_legal start",
        ],
        environment: {
          ...environment,
          ELECTRIC_URL: `http://${services.electric.name}:${settings.electric.port}`,
          AUTH_URL: `https://${settings.auth.domain}`,
        },
        schema: { migrations: settings.backendMigrations, snapshots },
        health: { tool: "wget", path: "/health" },
      }),
      electric: new WebService(services.electric, { ...common, ...electric, database: legal }),
      ...forEach(
        (name) => name,
        (name) => {
          const { release, health, extensions } = of(name);
          return new WebService(services[name], {
            ...{ ...common, environment, health, command: [`/app/bin/${release}`, "start"] },
            database: database(name, extensions),
            schema: { migrations: settings[migrationsKey(name)], snapshots },
          });
        },
      ),
    };
    const versions = Object.entries(released).map(([name, service]) => [name, service.released]);
    return { services: Object.fromEntries(versions), healthUrl: `https://${domain}/health` };
  },
});
