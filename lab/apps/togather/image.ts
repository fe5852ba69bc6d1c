import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Application, ImageEntry } from "../application.ts";
import { deliberateFailure, majorVersion } from "./src/version.ts";

const here = import.meta.dirname;
const migrationsPath = "app/internal/storage/postgres/migrations";
/** Part of every image's digest, so it is not the time of generation: the day of the seed's version 1.0.0. */
const created = "2026-01-28T00:00:00Z";

/** Togather's server: the seed's health JSON, API, job queue, migrations and drain, at any version. */
export const togather: Application = {
  description: "a stand-in of Togather's server, written for Node",
  async image(version) {
    const commit = createHash("sha256").update(version).digest("hex").slice(0, 40);
    return {
      created,
      layers: [modules(), program(), migrations(version)],
      environment: {
        APP_VERSION: version,
        APP_COMMIT: commit.slice(0, 7),
        APP_CREATED: created,
        PORT: "8080",
      },
      entrypoint: ["/app/server"],
      workingDirectory: "/app",
      user: "10001:10001",
      ports: [8080],
      labels: {
        "org.opencontainers.image.title": "togather-server",
        "org.opencontainers.image.description": "Stand-in of Togather's server for rehearsals",
        "org.opencontainers.image.version": version,
        "org.opencontainers.image.revision": commit,
        "org.opencontainers.image.created": created,
      },
    };
  },
};

/**
 * Names (`000001_events`) of the migrations that a version ships: three; one more from version 2 on; versions that begin
 * with `broken-migration` ship that one and another, which fails in the middle. That of `broken-migration-live` fails only on
 * the database itself, not on a copy under another name.
 */
export function migrationsOf(version: string): string[] {
  const shipped = ["000001_events", "000002_jobs", "000003_search"];
  const broken = deliberateFailure(version) === "migration";
  if (broken || majorVersion(version) >= 2) shipped.push("000004_source");
  if (broken)
    shipped.push(version.startsWith("broken-migration-live") ? "000005_broken_live" : "000005_broken");
  return shipped;
}

function migrations(version: string): ImageEntry[] {
  return migrationsOf(version).flatMap((name) =>
    ["up", "down"].map((way) => ({
      path: `${migrationsPath}/${name}.${way}.sql`,
      from: join(here, "migrations", `${name}.${way}.sql`),
    })),
  );
}

function program(): ImageEntry[] {
  const sources = readdirSync(join(here, "src")).sort();
  return [
    command("app/server", "server.ts"),
    command("app/integration-tests", "integration-tests.ts"),
    { path: "app/package.json", text: '{ "name": "togather-server", "private": true, "type": "module" }\n' },
    ...sources.map((name) => ({ path: `app/src/${name}`, from: join(here, "src", name) })),
  ];
}

function command(path: string, source: string): ImageEntry {
  const node = "/usr/local/bin/node --disable-warning=ExperimentalWarning";
  return { path, text: `#!/bin/sh\nexec ${node} /app/src/${source} "$@"\n`, mode: 0o755 };
}

/** The package `pg` with everything it depends on, from this project's node_modules. */
function modules(): ImageEntry[] {
  const found = new Map<string, string>();
  const collect = (name: string, from: string) => {
    if (found.has(name)) return;
    const folder = installedAt(name, from);
    found.set(name, folder);
    const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as {
      dependencies?: Record<string, string>;
    };
    for (const dependency of Object.keys(manifest.dependencies ?? {})) collect(dependency, folder);
  };
  collect("pg", here);
  return [...found].sort().map(([name, from]) => ({ path: `app/node_modules/${name}`, from }));
}

/** Where Node finds a package, looking upwards from a folder. */
function installedAt(name: string, from: string): string {
  for (let folder = from; ; folder = dirname(folder)) {
    const candidate = join(folder, "node_modules", name);
    if (existsSync(join(candidate, "package.json"))) return candidate;
    if (folder === dirname(folder)) {
      throw new Error(`the package "${name}" is not installed: run npm ci in the project's folder`);
    }
  }
}
