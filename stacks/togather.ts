import { z } from "zod";
import { Database, passwordGeneration } from "../components/data/database.ts";
import { Postgres } from "../components/data/postgres.ts";
import type { Route } from "../components/edge/route.ts";
import { network } from "../components/edge/route.ts";
import { overlayNetwork } from "../components/network/overlay.ts";
import { migrationImages, migrationSettings, migrationSteps } from "../components/release/migration-steps.ts";
import { probePatience } from "../components/release/probe.ts";
import { restartTime } from "../components/release/slot.ts";
import { WebService } from "../components/release/web-service.ts";
import { defineSystem } from "../components/system.ts";
import { plainVariables } from "../components/variables.ts";

/** What sets the server's own variables; whatever else it reads stands in `togather:app.environment`. */
const variables = plainVariables({
  path: "togather:app.environment",
  set: { PORT: "togather:app.port", ENVIRONMENT: "berth:environment", LOG_LEVEL: "togather:app.logLevel" },
  secrets: {
    JWT_SECRET: "togather:jwtSecret",
    ADMIN_API_KEY: "togather:adminApiKey",
    DATABASE_URL: undefined,
    DATABASE_AUTHORITY: undefined,
  },
});

const memoryMebibytes = z.int().min(64, "is too small; use 64 or more");

const rate = (requestsPerSecond: number, burst: number) => ({
  requestsPerSecond: z.int().min(1).max(100_000).default(requestsPerSecond),
  burst: z.int().min(1).max(100_000).default(burst),
});

const settings = z
  .strictObject({
    app: z.strictObject({
      version: z.string().min(1),
      replicas: z.int().min(1).max(10).default(1),
      memoryMebibytes: memoryMebibytes.default(512),
      /** Networks whose clients may use the admin API; nobody else does, whatever key they have. */
      adminAllowedFrom: z.array(network).default([]),
      logLevel: z.enum(["DEBUG", "INFO", "WARN", "ERROR"]).default("INFO"),
      /** On which the server listens in its container. */
      port: z.int().min(1024).max(65535).default(8080),
      /** More variables of the server, as CORS_ALLOWED_ORIGINS. */
      environment: variables.default({}),
      /** Fields of /health, by path, and the values that a new slot must show there. */
      healthFields: z.record(z.string().min(1), z.string()).default({
        status: "healthy",
        database: "connected",
        migrations: "up-to-date",
        jobs: "operational",
      }),
      /** How long the slot that served before stays after a release, without tasks, so that going back is a start and a switch. */
      keepPreviousMinutes: z
        .int()
        .min(0, "is too small; use 0 (the old slot goes at once) to 1440")
        .max(1440, "is too long; use 0 (the old slot goes at once) to 1440")
        .default(0),
      /** Another time is a new slot of the same version; see `ops restart`. */
      restartedAt: restartTime.optional(),
      /** The one version that may be released although somebody went back from it. */
      releaseAgain: z.string().min(1).optional(),
      /** After the switch, the image's integration tests; they write events, so production refuses them. */
      integrationTests: z.boolean().default(false),
    }),
    postgres: z.strictObject({
      version: z.string().min(1),
      /** The major version that `version` follows on an emptied data folder; without it another major version is refused. */
      upgradeFrom: z.string().regex(/^\d+$/, "is not a major version; use a number, as in 16").optional(),
      memoryMebibytes: memoryMebibytes.default(1024),
      /** Count up for a new password of the app's role, by a release, or of the superuser, by a restart of the server. */
      passwordGeneration,
      superuserPasswordGeneration: passwordGeneration,
      /** Port on the operator's loopback that leads to it during a deploy. */
      tunnelPort: z.int().min(1024).max(65535).default(15432),
    }),
    /** Of one client address; beyond them it gets 429, and larger bodies get 413. */
    limits: z
      .strictObject({
        ...rate(500, 1000),
        bodyMebibytes: z.int().min(1).max(1024).default(10),
        /** How long an answer may keep the edge waiting. */
        readTimeoutSeconds: z.int().min(1).max(3600).default(60),
        admin: z.strictObject(rate(5, 20)).prefault({}),
      })
      .prefault({}),
    /** How many database snapshots are kept. */
    snapshots: z.strictObject({ keep: z.int().min(1).max(365).default(7) }).default({ keep: 7 }),
    /** How a release brings the schema along. */
    migrations: migrationSettings([
      {
        kind: "golang-migrate",
        folder: "/app/internal/storage/postgres/migrations",
        command: ["migrate"],
      },
    ]).prefault({}),
    /** Before a new slot takes requests: 10 s of grace, then 30 attempts of 2 s. */
    probe: probePatience,
  })
  // An acknowledgement that outlives its version would silently skip nothing, or be forgotten until it fits again.
  .superRefine(({ app, migrations: { skipFor, skipRehearsalFor } }, context) => {
    const onlyForVersion = (path: string[], input: string | undefined, effect: string) => {
      if (input === undefined || input === app.version) return;
      const message = `is not the version that is deployed, ${app.version}; it ${effect} one version only. Remove it: npx pulumi config rm --path togather:${path.join(".")}`;
      context.addIssue({ code: "custom", path, input, message });
    };
    onlyForVersion(["migrations", "skipFor"], skipFor, "skips the migrations of");
    onlyForVersion(["migrations", "skipRehearsalFor"], skipRehearsalFor, "skips the rehearsal of");
    onlyForVersion(["app", "releaseAgain"], app.releaseAgain, "acknowledges");
  });

type Settings = z.infer<typeof settings>;

function routes(domain: string, { app, limits }: Settings): readonly Route[] {
  const { requestsPerSecond, burst, admin, bodyMebibytes, readTimeoutSeconds } = limits;
  const all = { domain, port: app.port, bodyLimitMebibytes: bodyMebibytes, readTimeoutSeconds };
  return [
    { ...all, path: "/", rateLimit: { requestsPerSecond, burst } },
    { ...all, path: "/api/v1/admin/", allowFrom: app.adminAllowedFrom, banOn: [401], rateLimit: admin },
  ];
}

/** Togather: a Go server with a job queue, on PostgreSQL with PostGIS, pgvector and pg_trgm, behind nginx. */
export const togather = defineSystem<Settings>({
  name: "togather",
  settings,
  secrets: {
    jwtSecret: {
      description: "key that signs the JSON Web Tokens",
      format: { kind: "base64", bytes: 32 },
      rotateAfterDays: 90,
    },
    adminApiKey: {
      description: "key of the admin API",
      format: { kind: "hex", bytes: 32 },
    },
  },
  services: ({ app, postgres, migrations }) => [
    {
      name: "app",
      image: "togather/app",
      version: app.version,
      memoryMebibytes: app.replicas * app.memoryMebibytes,
      jobMemoryMebibytes: migrations.memoryMebibytes,
      integrationTests: app.integrationTests,
    },
    {
      name: "postgres",
      image: "togather/postgres",
      version: postgres.version,
      memoryMebibytes: postgres.memoryMebibytes,
      tunnelPort: postgres.tunnelPort,
    },
    ...migrationImages(migrations.steps),
  ],
  routes,
  build({ environment, domain, host, edge, settings, secret, image, parent }) {
    const { app, postgres, snapshots, migrations, probe } = settings;
    const opts = { parent };
    const network = overlayNetwork("togather", { host, system: "togather", internal: true }, opts);
    const server = new Postgres(
      "togather_postgres",
      {
        host,
        system: "togather",
        network,
        image: image("postgres"),
        ...(postgres.upgradeFrom === undefined ? {} : { upgradeFrom: postgres.upgradeFrom }),
        memoryMebibytes: postgres.memoryMebibytes,
        superuserPasswordGeneration: postgres.superuserPasswordGeneration,
        tunnelPort: postgres.tunnelPort,
      },
      opts,
    );
    const database = new Database(
      "togather_database",
      {
        host,
        postgres: server,
        name: "togather",
        extensions: ["postgis", "vector", "pg_trgm"],
        // Its first migration adds WGS 84, for images whose PostGIS lacks it.
        grants: [{ table: "spatial_ref_sys", privileges: ["INSERT"] }],
        passwordGeneration: postgres.passwordGeneration,
      },
      opts,
    );
    const web = new WebService(
      "togather_app",
      {
        host,
        edge,
        system: "togather",
        environmentName: environment,
        image: image("app"),
        command: ["/app/server"],
        networks: [network],
        environment: {
          ...app.environment,
          PORT: String(app.port),
          ENVIRONMENT: environment,
          LOG_LEVEL: app.logLevel,
        },
        // The server reads variables only.
        secretsAs: "variables",
        secrets: {
          DATABASE_URL: database.url,
          ...database.authority,
          JWT_SECRET: secret("jwtSecret"),
          ADMIN_API_KEY: secret("adminApiKey"),
        },
        replicas: app.replicas,
        memoryMebibytes: app.memoryMebibytes,
        restartedAt: app.restartedAt,
        routes: routes(domain, settings),
        health: {
          tool: "wget",
          http: {
            port: app.port,
            path: "/health",
            fields: app.healthFields,
          },
        },
        probe,
        schema: {
          database,
          keepSnapshots: snapshots.keep,
          steps: migrationSteps(migrations.steps, image),
          deadlineSeconds: migrations.deadlineSeconds,
          limits: migrations,
          rehearse: migrations.skipRehearsalFor !== app.version,
          skip: migrations.skipFor === app.version,
        },
        keepPreviousMinutes: app.keepPreviousMinutes,
        releaseAgain: app.releaseAgain === app.version,
        ...(app.integrationTests
          ? {
              integrationTests: {
                command: ["/app/integration-tests"],
                domain,
                deadlineSeconds: 300,
                limits: { memoryMebibytes: 512 },
              },
            }
          : {}),
        dependsOn: database.ready,
      },
      opts,
    );
    return {
      services: { app: { version: web.version, slot: web.slot } },
      healthUrl: `https://${domain}/health`,
    };
  },
});
