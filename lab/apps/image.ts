/** Describes the image of a declaration at a version, for `lab/images` to build. */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { ImageFile, Migrations, StandIn } from "./application.ts";
import { deliberateFailure, majorVersion } from "./server/version.ts";

/** One file or folder, copied from this machine or given as text. `mode` defaults to 0644 for files. */
export type ImageEntry =
  | { readonly path: string; readonly from: string; readonly mode?: number }
  | { readonly path: string; readonly text: string; readonly mode?: number };

export interface ApplicationImage {
  /** Layers on top of Debian, Node and the declared tools, those that rarely change first. Paths have no leading slash. */
  readonly layers: readonly (readonly ImageEntry[])[];
  readonly environment: Readonly<Record<string, string>>;
  readonly entrypoint: readonly string[];
  readonly command?: readonly string[];
  readonly workingDirectory: string;
  /** `uid:gid`, never root. */
  readonly user: string;
  readonly ports: readonly number[];
  readonly labels: Readonly<Record<string, string>>;
  /** ISO 8601; the same for the same version. */
  readonly created: string;
}

const here = import.meta.dirname;
/** The folder in the image for the files of the stand-in, besides the paths of the real image. */
const home = "opt/stand-in";
/** Part of every image's digest, so it is constant and not the time of the build: the day of the first seed's version 1.0.0. */
const created = "2026-01-28T00:00:00Z";

/** The image of `name` (`<system>/<service>`) at any version; it contains the folder of that name beside the declaration. */
export function applicationImage(name: string, declaration: StandIn, version: string): ApplicationImage {
  const { database, http, entrypoint, command, workingDirectory, user } = declaration;
  // The server imports pg, whether or not there is a database.
  const imported = ["pg", ...(declaration.packages ?? [])];
  const commit = createHash("sha256").update(version).digest("hex").slice(0, 40);
  return {
    created,
    layers: [
      packages(imported),
      program(name, declaration),
      ...(database?.migrations === undefined ? [] : [migrations(name, database.migrations, version)]),
    ],
    environment: {
      APP_VERSION: version,
      APP_COMMIT: commit.slice(0, 7),
      APP_CREATED: created,
      ...(http && { [http.portVariable ?? "PORT"]: String(http.port) }),
    },
    entrypoint,
    ...(command && { command }),
    workingDirectory,
    user,
    ports: http ? [http.port] : [],
    labels: {
      "org.opencontainers.image.title": name,
      "org.opencontainers.image.description": `Stand-in of ${declaration.standsInFor} for rehearsals`,
      "org.opencontainers.image.version": version,
      "org.opencontainers.image.revision": commit,
      "org.opencontainers.image.created": created,
    },
  };
}

/**
 * Names of the migrations that a version ships. A version whose migrations fail on purpose ships those of every version and the failing
 * one.
 */
export function migrationsOf({ shipped }: Pick<Migrations, "shipped">, version: string): string[] {
  const broken = deliberateFailure(version) === "migration";
  const own = shipped.map(({ only = "" }) => only).filter((only) => only !== "" && version.startsWith(only));
  const longest = own.toSorted((one, other) => other.length - one.length)[0];
  return shipped
    .filter(({ since = 1, only }) =>
      only === undefined ? broken || majorVersion(version) >= since : only === longest,
    )
    .map(({ name }) => name);
}

function migrations(name: string, declared: Migrations, version: string): ImageEntry[] {
  const folder = join(here, name, "migrations");
  const shipped = migrationsOf(declared, version);
  const files = readdirSync(folder).sort();
  return shipped.flatMap((migration) => {
    const own = files.filter((file) => file.startsWith(`${migration}.`) && file.endsWith(".sql"));
    if (own.length === 0) throw new Error(`${name}: no file of the migration ${migration} in ${folder}`);
    return own.map((file) => ({ path: join(declared.folder.slice(1), file), from: join(folder, file) }));
  });
}

function program(name: string, declaration: StandIn): ImageEntry[] {
  const sources = (folder: string): ImageEntry[] =>
    existsSync(join(here, folder))
      ? readdirSync(join(here, folder))
          .filter((file) => file.endsWith(".ts"))
          .sort()
          .map((file) => ({ path: join(home, folder, file), from: join(here, folder, file) }))
      : [];
  return [
    ...Object.entries(declaration.files).map(([path, file]) => imageFile(name, path, file)),
    ...(declaration.shell === false ? shells.map((path) => ({ path, text: "" })) : []),
    { path: `${home}/package.json`, text: '{ "private": true, "type": "module" }\n' },
    { path: `${home}/declaration.json`, text: `${JSON.stringify({ name, ...declaration }, null, 2)}\n` },
    ...sources("server"),
    ...sources(name),
  ];
}

function imageFile(name: string, path: string, file: ImageFile): ImageEntry {
  const at = path.slice(1);
  if ("text" in file) return { path: at, text: file.text, mode: file.executable ? 0o755 : 0o644 };
  const { runs } = file;
  const module =
    runs === "server" ? "server/main.ts" : runs === "migrations" ? "server/migrations.ts" : `${name}/${runs}`;
  const target = `/${home}/${module}`;
  // An import that works in CommonJS and in ES modules, so that the file needs no package.json.
  if (/\.[cm]?js$/.test(path)) return { path: at, text: `import(${JSON.stringify(target)});\n` };
  return { path: at, text: `#!/usr/local/bin/node\nimport(${JSON.stringify(target)});\n`, mode: 0o755 };
}

/** Whiteouts of Debian's shells: a layer takes away what lies below it (OCI's image specification, "Whiteouts"). */
const shells = ["bash", "dash", "rbash", "sh"].map((name) => `usr/bin/.wh.${name}`);

/** Packages with all their dependencies, from this project's node_modules. */
function packages(roots: readonly string[]): ImageEntry[] {
  const found = new Set<string>();
  const collect = (name: string, from: string) => {
    const folder = installedAt(name, from);
    if (found.has(folder)) return;
    found.add(folder);
    const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as {
      dependencies?: Record<string, string>;
    };
    for (const dependency of Object.keys(manifest.dependencies ?? {})) collect(dependency, folder);
  };
  for (const root of roots) collect(root, here);
  return (
    [...found]
      .map((folder) => [folder.slice(folder.indexOf("/node_modules/") + 1), folder] as const)
      // Another version of a package lies in the folder of the one that needs it, and comes with that.
      .filter(([path]) => path.lastIndexOf("node_modules/") === 0)
      .sort()
      .map(([path, from]) => ({ path: `${home}/${path}`, from }))
  );
}

/** The folder in which Node finds a package, starting from a folder and going up. */
function installedAt(name: string, from: string): string {
  for (let folder = from; ; folder = dirname(folder)) {
    const candidate = join(folder, "node_modules", name);
    if (existsSync(join(candidate, "package.json"))) return candidate;
    if (folder === dirname(folder)) {
      throw new Error(`the package "${name}" is not installed: run npm ci in the project's folder`);
    }
  }
}
