import { cp, mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { OuterDocker } from "../docker/outer-docker.ts";
import type { LabHome } from "../home.ts";
import type { Progress } from "../progress.ts";
import { withTemporaryFolder } from "./archive.ts";
import { type Base, baseRecipe } from "./base.ts";
import { build, hasImage, tryPull } from "./outer.ts";
import { recipeOf } from "./recipe.ts";
import type { Store } from "./store.ts";
import { nginxCrateVersion, nginxSource, nginxVersion, traefikBinary, traefikVersion } from "./tools.ts";

/** The dependencies of an image build. */
export interface BuildContext {
  readonly docker: OuterDocker;
  readonly home: LabHome;
  readonly store: Store;
  readonly progress: Progress;
  /** The Debian base, built on first call. */
  base(): Promise<Base>;
}

/** An image of the outer engine, ready to be exported. */
interface BuiltImage {
  readonly reference: string;
  readonly provenance: string;
}

/** An image that is not an application: the real one if a registry answers, otherwise one with the same interface. */
export interface Standin {
  recipe(): Promise<string>;
  build(context: BuildContext, version: string): Promise<BuiltImage>;
}

const nginxFolder = join(import.meta.dirname, "nginx");
const postgresFolder = join(import.meta.dirname, "postgres");
const redisFolder = join(import.meta.dirname, "redis");
const traefikFolder = join(import.meta.dirname, "traefik");
const registryFolder = join(import.meta.dirname, "registry");

const nginx: Standin = {
  async recipe() {
    return recipeOf(nginxFolder, await baseRecipe(), nginxCrateVersion);
  },
  async build(context, version) {
    const { docker, progress } = context;
    const real = `nginx:${version}`;
    if (await tryPull(docker, real, progress)) return { reference: real, provenance: `the image ${real}` };
    const base = await context.base();
    const provenance = `nginx ${nginxVersion}, built from the crate nginx-src on ${base.provenance}`;
    const reference = `berth-lab/nginx:${await nginx.recipe()}`;
    if (await hasImage(docker, reference)) return { reference, provenance };
    await withTemporaryFolder(context.store, async (scratch) => {
      await cp(nginxFolder, scratch, { recursive: true });
      await mkdir(join(scratch, "source"));
      await cp(await nginxSource(context.home, progress), join(scratch, "source"), { recursive: true });
      const args = { BASE: base.reference, NGINX_VERSION: nginxVersion };
      const job = { folder: scratch, tag: reference, args, what: "building nginx", deadlineSeconds: 600 };
      await build(docker, job, progress);
    });
    return { reference, provenance };
  },
};

const traefik: Standin = {
  async recipe() {
    return recipeOf(traefikFolder, await baseRecipe(), traefikVersion);
  },
  async build(context, version) {
    const { docker, home, progress } = context;
    const real = `traefik:${version}`;
    if (await tryPull(docker, real, progress)) return { reference: real, provenance: `the image ${real}` };
    const base = await context.base();
    const provenance = `Traefik ${traefikVersion}, built from the Go module proxy on ${base.provenance}`;
    const reference = `berth-lab/traefik:${await traefik.recipe()}`;
    if (await hasImage(docker, reference)) return { reference, provenance };
    await withTemporaryFolder(context.store, async (scratch) => {
      const binary = await traefikBinary(home, join(traefikFolder, "go.mod"), progress);
      for (const name of ["Dockerfile", "entrypoint.sh"]) {
        await cp(join(traefikFolder, name), join(scratch, name));
      }
      await cp(binary, join(scratch, "traefik"));
      const args = { BASE: base.reference };
      const job = { folder: scratch, tag: reference, args, what: "building traefik", deadlineSeconds: 600 };
      await build(docker, job, progress);
    });
    return { reference, provenance };
  },
};

const postgres: Standin = {
  async recipe() {
    return recipeOf(postgresFolder, await baseRecipe());
  },
  async build(context, version) {
    const { docker, progress } = context;
    const what = "building postgres with PostGIS and pgvector";
    const recipe = await postgres.recipe();
    const major = /^\d+/.exec(version)?.[0] ?? "17";
    const alpine = version.includes("alpine");
    if (alpine && (await tryPull(docker, `postgres:${version}`, progress)))
      return { reference: `postgres:${version}`, provenance: `the image postgres:${version}` };
    const real = `postgis/postgis:${major}-3.5`;
    if (!alpine && (await tryPull(docker, real, progress))) {
      // No published image has both extensions: pgvector from PGDG is added to the PostGIS image, which is based on the official one.
      const reference = `berth-lab/postgres:${major}-${recipe}`;
      const args = { BASE: real, MAJOR: major };
      const folder = join(import.meta.dirname, "postgres-real");
      await build(docker, { folder, tag: reference, args, what, deadlineSeconds: 600 }, progress);
      return { reference, provenance: `the image ${real} with PGDG's package of pgvector` };
    }
    const base = await context.base();
    const reference = `berth-lab/postgres:${recipe}${alpine ? "-alpine" : ""}`;
    const asked =
      major === "17" ? "" : ` (${major} was requested; no package source here has it with all three)`;
    const user = alpine ? ", with the user id of Alpine's image" : "";
    const provenance = `PostgreSQL 17 with PostGIS 3.5 and pgvector 0.8 from Debian 13's packages${user}${asked}`;
    if (!(await hasImage(docker, reference))) {
      // The official image's users (github.com/docker-library/postgres: 70 in the Alpine variants, 999 in Debian's).
      const args = { BASE: base.reference, POSTGRES_UID: alpine ? "70" : "999" };
      await build(
        docker,
        { folder: postgresFolder, tag: reference, args, what, deadlineSeconds: 600 },
        progress,
      );
    }
    return { reference, provenance };
  },
};

const redis: Standin = {
  async recipe() {
    return recipeOf(redisFolder, await baseRecipe());
  },
  async build(context, version) {
    const { docker, progress } = context;
    const real = `redis:${version}`;
    if (await tryPull(docker, real, progress)) return { reference: real, provenance: `the image ${real}` };
    const base = await context.base();
    const reference = `berth-lab/redis:${await redis.recipe()}`;
    const provenance = `Redis from Debian 13's packages, on ${base.provenance}`;
    if (!(await hasImage(docker, reference))) {
      const job = { folder: redisFolder, tag: reference, what: "building redis", deadlineSeconds: 600 };
      await build(docker, { ...job, args: { BASE: base.reference } }, progress);
    }
    return { reference, provenance };
  },
};

const registry: Standin = {
  async recipe() {
    return recipeOf(registryFolder, await baseRecipe());
  },
  async build(context, version) {
    const { docker, progress } = context;
    const real = `registry:${version}`;
    if (await tryPull(docker, real, progress)) return { reference: real, provenance: `the image ${real}` };
    const base = await context.base();
    const reference = `berth-lab/registry:${await registry.recipe()}`;
    const provenance = `CNCF distribution from Debian 13's package docker-registry, on ${base.provenance}`;
    if (!(await hasImage(docker, reference))) {
      const job = { folder: registryFolder, tag: reference, what: "building registry", deadlineSeconds: 600 };
      await build(docker, { ...job, args: { BASE: base.reference } }, progress);
    }
    return { reference, provenance };
  },
};

/** The lab's images, by their name in the registry. */
export const standins: Readonly<Record<string, Standin>> = { nginx, postgres, redis, registry, traefik };
