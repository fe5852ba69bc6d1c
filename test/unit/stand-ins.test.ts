import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { StandIn } from "../../lab/apps/application.ts";
import { standIn } from "../../lab/apps/application.ts";
import { declaration as connectedRepo } from "../../lab/apps/connected-repo/api.ts";
import { declaration as gadgetbot } from "../../lab/apps/gadgetbot/app.ts";
import { declaration as zitadel } from "../../lab/apps/gadgetbot/zitadel.ts";
import { applicationImage, declarations, loadMix } from "../../lab/apps/index.ts";
import { declaration as mfa } from "../../lab/apps/mfa/app.ts";
import { declaration as auth } from "../../lab/apps/sertantai/auth.ts";
import { declaration as backend } from "../../lab/apps/sertantai/backend.ts";
import { declaration as electric } from "../../lab/apps/sertantai/electric.ts";
import { declaration as enforcement } from "../../lab/apps/sertantai/enforcement.ts";
import { readSettings } from "../../lab/apps/server/settings.ts";
import { declaration as togather } from "../../lab/apps/togather/app.ts";
import { imageSources } from "../../lab/images/sources.ts";

const sertantai = { backend, auth, enforcement, electric };
const folder = join(import.meta.dirname, "../../lab/apps");
const standIns = Object.entries(declarations).filter(
  (entry): entry is [string, StandIn] => !("like" in entry[1]),
);
const versions = ["v1.0.0", "v2.0.0", "broken-start", "broken-health", "broken-migration", "broken-after"];

test("are found by their folders, besides the lab's own images", () => {
  expect(declarations["togather/app"]).toBe(togather);
  expect(declarations["togather/postgres"]).toEqual({ like: "postgres" });
  expect([...imageSources.keys()]).toEqual(
    [...Object.keys(declarations), "nginx", "postgres", "redis", "registry", "traefik"].sort(),
  );
});

describe.each(standIns)("%s", (name, declaration) => {
  test.each(versions)("has an image at %s whose entrypoint and migrations are in it", (version) => {
    const image = applicationImage(name, declaration, version);
    const paths = image.layers.flat().map(({ path }) => path);
    expect(new Set(paths).size).toBe(paths.length);
    for (const entry of image.layers.flat())
      if ("from" in entry) expect(existsSync(entry.from), entry.path).toBe(true);
    const [first = "", second, third] = image.entrypoint;
    const ofShell = first === "/bin/bash" ? third?.split(" ")[0] : undefined;
    const program = ofShell ?? (first === "node" ? join(image.workingDirectory, second ?? "") : first);
    const places = program.startsWith("/") ? [program] : [`/usr/local/bin/${program}`];
    expect(places.some((place) => paths.includes(place.slice(1)))).toBe(true);
    const migrations = declaration.database?.migrations;
    if (migrations === undefined) return;
    const sql = paths.filter((path) => path.startsWith(`${migrations.folder.slice(1)}/`));
    expect(sql.length).toBeGreaterThan(0);
  });

  test("every file of its migrations folder is shipped by some version", () => {
    const migrations = declaration.database?.migrations;
    if (migrations === undefined) return;
    const names = migrations.shipped.map((each) => each.name);
    const files = readdirSync(join(folder, name, "migrations"));
    expect([...new Set(files.map((file) => file.replace(/(\.(up|down))?\.sql$/, "")))].sort()).toEqual(
      [...names].sort(),
    );
    const broken = migrations.shipped.filter(({ only }) => only !== undefined);
    expect(broken.length).toBeGreaterThan(0);
    for (const each of broken) expect(each.name).toContain("broken");
  });

  test("its load is valid and includes its health check", () => {
    const load = declaration.load ?? [];
    expect(load.map(({ path }) => path)).toContain(declaration.http?.health.path);
    for (const { method, body } of load) {
      expect(body === undefined).toBe(method === "GET");
      if (body !== undefined) expect(JSON.parse(body)).toBeTypeOf("object");
    }
  });

  test("no secret among its variables has a default", () => {
    for (const [key, variable] of Object.entries(declaration.variables)) {
      if (variable.secret) expect(variable.default, key).toBeUndefined();
    }
  });
});

test("the load of a system is that of its stand-ins, and none without them", () => {
  expect(loadMix("togather")).toEqual(togather.load);
  expect(loadMix("nosuch")).toEqual([]);
  // Zitadel and its login are at another domain.
  expect(loadMix("gadgetbot")).toEqual(gadgetbot.load);
  expect(loadMix("gadgetbot", "zitadel")).toEqual(zitadel.load);
});

/** Names that are required, by the server's own words about an empty environment. */
function required(declaration: StandIn): string[] {
  try {
    readSettings(declaration, {});
  } catch (error) {
    return [...String(error).matchAll(/(\w+)(?: or \w+)? is missing/g)].map(([, name = ""]) => name).sort();
  }
  return [];
}

const { layers, ...connectedImage } = applicationImage("connected-repo/api", connectedRepo, "v1");
const textAt = (path: string) => {
  const entry = layers.flat().find((each) => each.path === path);
  return entry !== undefined && "text" in entry ? entry.text : undefined;
};

describe("the seeds' descriptions", () => {
  test("of Togather: variables, health, migrations by golang-migrate", () => {
    expect(required(togather)).toEqual(["ADMIN_API_KEY", "DATABASE_URL", "JWT_SECRET"]);
    expect(Object.keys(togather.http?.health.fields ?? {})).toEqual([
      "status",
      "version",
      "database",
      "migrations",
      "jobs",
      "uptime",
    ]);
    expect(togather.http).toMatchObject({ port: 8080, health: { path: "/health" } });
    expect(togather.tools?.map(({ command }) => command)).toEqual(["migrate"]);
    expect(togather.database?.migrations?.folder).toBe("/app/internal/storage/postgres/migrations");
  });

  test("of mfa: the secrets of the app, each from a file too; migrations by hand", () => {
    const names = [
      "AIRTABLE_ACCESS_TOKEN",
      "AIRTABLE_BASE_ID",
      "DATABASE_URL",
      "JWT_SECRET",
      "OPENAI_API_KEY",
      "REDIS_URL",
    ];
    const mail = ["SMTP_FROM", "SMTP_PASSWORD", "SMTP_PORT", "SMTP_SERVER", "SMTP_USER"];
    expect(required(mfa)).toEqual([...names, ...mail]);
    for (const name of [...names, ...mail]) expect(mfa.variables[name]?.file, name).toBe(true);
    expect(mfa.variables.DATA_BACKEND_PROGRAMS).toMatchObject({
      default: "postgres_shadow_read",
      oneOf: ["airtable_only", "postgres_shadow_read", "postgres_only"],
    });
    expect(mfa.http?.health.path).toBe("/api/health");
    expect(mfa.workingDirectory).toBe("/app");
    expect(mfa.files["/app/tasks/db-migrate.mjs"]).toEqual({ runs: "migrations" });
    expect(mfa.database?.migrations?.folder).toBe("/app/tasks/db/migrations");
    expect(mfa.database?.migrations?.shipped.map(({ name }) => name)).toContain("004_add_notifications");
  });

  test("of Sertantai: 64 characters of key, ports, tools of health, migrations by `eval`, ElectricSQL's secret", () => {
    const { backend, auth, enforcement, electric } = sertantai;
    for (const app of [backend, auth, enforcement]) {
      expect(required(app)).toEqual(
        expect.arrayContaining(["DATABASE_URL", "PHX_SERVER", "SECRET_KEY_BASE"]),
      );
      expect(() => readSettings(app, { SECRET_KEY_BASE: "x".repeat(63) })).toThrow(
        "SECRET_KEY_BASE is shorter than 64 characters",
      );
    }
    expect([backend, auth, enforcement, electric].map(({ http }) => http?.port)).toEqual([
      4000, 4001, 4002, 3000,
    ]);
    expect(backend.entrypoint.join(" ")).toMatch(/eval 'SertantaiLegal.Release.migrate\(\)' && .* start$/);
    expect(required(enforcement)).toEqual(
      expect.arrayContaining(["GITHUB_CLIENT_ID", "GITHUB_CLIENT_SECRET", "TOKEN_SIGNING_SECRET"]),
    );
    expect(required(electric)).toEqual([
      "DATABASE_URL",
      "ELECTRIC_DATABASE_CA_CERTIFICATE_FILE",
      "ELECTRIC_SECRET",
    ]);
    expect(electric.http).toMatchObject({ portVariable: "ELECTRIC_PORT", health: { path: "/v1/health" } });
  });

  test("of connected-repo: its variables, a session secret of 32 characters, migrations at start", () => {
    expect(required(connectedRepo)).toEqual([
      ...["ALLOWED_ORIGINS", "DB_HOST", "DB_NAME", "DB_PASSWORD", "DB_PORT", "DB_USER"],
      ...[
        "GOOGLE_CLIENT_ID",
        "GOOGLE_CLIENT_SECRET",
        "NODE_ENV",
        "SESSION_SECRET",
        "VITE_API_URL",
        "WEBAPP_URL",
      ],
    ]);
    expect(() => readSettings(connectedRepo, { SESSION_SECRET: "x".repeat(31) })).toThrow(
      "SESSION_SECRET is shorter than 32 characters",
    );
    expect(connectedRepo.http).toMatchObject({
      port: 3000,
      health: { path: "/health" },
      routes: { "GET /": { json: { message: "Backend is live." } } },
      limits: [{ perMinute: 200 }],
    });
    expect(Object.keys(connectedRepo.http?.health.fields ?? {})).toEqual(["status", "timestamp"]);
    expect(connectedImage).toMatchObject({
      entrypoint: ["docker-entrypoint.sh"],
      command: ["node", "dist/server.js"],
      workingDirectory: "/app/apps/backend",
      user: "1001:1001",
      ports: [3000],
    });
    // rake-db's `per-migration` holds no lock, and the app checks all of its environment first.
    expect(connectedRepo.database?.migrations?.runner).toMatchObject({
      unlocked: true,
      checksAllVariables: true,
    });
    expect(textAt("usr/local/bin/docker-entrypoint.sh")).toMatch(/db_script\.js up[\s\S]*exec "\$@"/);
    expect(textAt("app/apps/backend/dist/server.js")).toBe('import("/opt/stand-in/server/main.ts");\n');
  });

  test("of GadgetBot: the variables that its source checks, and no client secret", () => {
    expect(required(gadgetbot)).toEqual(["APP_URL", "BETTER_AUTH_SECRET", "BETTER_AUTH_URL", "DATABASE_URL"]);
    const wrong = {
      DATABASE_URL: "postgres://db/x",
      BETTER_AUTH_SECRET: "x".repeat(31),
      APP_URL: "app.example",
    };
    const said = () => readSettings(gadgetbot, { ...wrong, ZITADEL_CLIENT_ID: "1@bot" });
    expect(said).toThrow("DATABASE_URL is not a URL of the form postgresql://");
    expect(said).toThrow("BETTER_AUTH_SECRET is shorter than 32 characters");
    expect(said).toThrow("APP_URL is not a URL of the form https://");
    expect(said).toThrow('ZITADEL_CLIENT_ID is "1@bot" not digits alone');
    expect(Object.keys(gadgetbot.variables)).not.toContain("ZITADEL_CLIENT_SECRET");
  });

  test("of Zitadel: one program, no shell, HTTP/2 in clear text", () => {
    const image = applicationImage("gadgetbot/zitadel", zitadel, "v4.17.3");
    const paths = image.layers.flat().map(({ path }) => path);
    expect(paths).toEqual(expect.arrayContaining(["app/zitadel", "usr/bin/.wh.sh", "usr/bin/.wh.bash"]));
    const [program] = image.layers.flat().filter(({ path }) => path === "app/zitadel");
    expect(program).toMatchObject({ text: expect.stringMatching(/^#!\/usr\/local\/bin\/node\n/) });
    expect(zitadel.http).toMatchObject({ port: 8080, http2: true, health: { path: "/debug/ready" } });
  });
});

describe("a contradictory declaration is refused with all its problems", () => {
  const base: StandIn = {
    standsInFor: "an app",
    workingDirectory: "/app",
    user: "1000:1000",
    entrypoint: ["/app/server"],
    files: { "/app/server": { runs: "server" } },
    variables: {},
  };
  const limit = { routes: ["GET /"], perMinute: "LIMIT", retryAfterSeconds: 1 };
  test.each<[string, Partial<StandIn>, string]>([
    [
      "root",
      { user: "0:0", jobs: { table: "jobs" } },
      "user is root; an app's image runs as another user; jobs need a database",
    ],
    [
      "an unknown variable",
      { database: { connection: { url: "DB" } } },
      "DB is used and not among the variables",
    ],
    ["a relative path", { files: { server: { runs: "server" } } }, 'files: "server" is not absolute'],
    [
      "a runner that is none",
      { files: { "/m": { runs: "migrations" } } },
      "/m runs migrations, and database.migrations has no runner",
    ],
    ["a load without a server", { load: [{ method: "GET", path: "/", expect: [200] }] }, "http is missing"],
    [
      "a load on a limited route",
      {
        http: { port: 1, health: { path: "/h", fields: {} }, limits: [limit] },
        load: [{ method: "GET", path: "/", expect: [200] }],
      },
      "LIMIT is used and not among the variables; load: GET / is limited for each client",
    ],
  ])("%s", (_what, wrong, message) => {
    expect(() => standIn({ ...base, ...wrong })).toThrow(message);
  });
});

test("nothing in the lab outside lab/apps names a system, except examples in comments", () => {
  const lab = join(import.meta.dirname, "../../lab");
  const systems = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== "server")
    .map((entry) => entry.name);
  const example = /^\s*(\/?\*|\/\/|#)|as in |for example /;
  const files = readdirSync(lab, { recursive: true, encoding: "utf8" }).filter(
    (file) => /\.(ts|sh|yml|conf)$/.test(file) && !file.startsWith("apps/"),
  );
  const named = files.flatMap((file) =>
    readFileSync(join(lab, file), "utf8")
      .split("\n")
      .filter((line) => systems.some((system) => line.includes(system)) && !example.test(line))
      .map((line) => `${file}: ${line.trim()}`),
  );
  expect(named).toEqual([]);
});
