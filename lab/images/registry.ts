import { join } from "node:path";
import { withLock } from "../docker/lock.ts";
import type { OuterDocker } from "../docker/outer-docker.ts";
import type { LabHome } from "../home.ts";
import type { Progress } from "../progress.ts";
import { readAccess } from "./access.ts";
import { publish } from "./archive.ts";
import { issueCertificate } from "./authority.ts";
import { type Base, ensureBase } from "./base.ts";
import { hasImage, tryPull } from "./outer.ts";
import { type ServeOptions, serveRegistry } from "./serve.ts";
import { imageSources } from "./sources.ts";
import type { BuildContext } from "./standins.ts";
import { checkReference, openStore, type Tag } from "./store.ts";

/** Host name of the registry on machines. */
export const registryHost = "registry.berth.lab";
const registryPort = 5000;
/** Prefix of the repositories of its images. */
export const registryAddress = `${registryHost}:${registryPort}`;
/** Seconds that a build waits for another command of the lab that builds the same image. */
const buildLockSeconds = 2700;

interface RegistryServer {
  /** `198.18.0.1:5000` */
  readonly address: string;
  close(): Promise<void>;
}

/** An image of the lab's registry. */
export interface RegistryImage {
  /** Repository without tag, as a machine pulls it: `registry.berth.lab:5000/nginx`. */
  readonly repository: string;
  /** Manifest digest, `sha256:…`. */
  readonly digest: string;
  /** Where it comes from: "nginx 1.28.3, built from the crate nginx-src" or "pulled". Printed to the user. */
  readonly provenance: string;
}

interface LabRegistry {
  /**
   * The image for `name` at `version`: `nginx`, `postgres`, `traefik`, or a stand-in `<system>/<service>` of `lab/apps`, which exists
   * at every version. Built or fetched on first use.
   */
  resolve(name: string, version: string): Promise<RegistryImage>;
  /** Makes an image of the outer engine (or one it can pull) available under `name` at `version`. */
  load(name: string, version: string, reference: string): Promise<RegistryImage>;
  /**
   * Serves the registry over HTTPS, with a certificate of the lab's authority for `registry.berth.lab`, on
   * `home.gateway:5000`, or at `at` (port 0 selects a free port).
   *
   * @throws when the port is taken, or the lab's network does not exist yet.
   */
  listen(at?: { readonly host: string; readonly port: number }): Promise<RegistryServer>;
}

/** The lab's registry. Does nothing until an image is resolved. */
export async function createRegistry(
  docker: OuterDocker,
  home: LabHome,
  progress: Progress,
): Promise<LabRegistry> {
  const store = openStore(join(home.cacheDir, "registry"));
  // Images given with --image belong to this lab, not to the cache that all labs share.
  let base: Promise<Base> | undefined;
  const context: BuildContext = {
    docker,
    home,
    store,
    progress,
    base() {
      base ??= withLock(lockFile("base"), buildLockSeconds, () => ensureBase(docker, home, progress));
      // Failures are not cached: a missing tool may have been installed since.
      base.catch(() => {
        base = undefined;
      });
      return base;
    },
  };

  function lockFile(name: string): string {
    return join(home.cacheDir, "registry", "locks", name.replaceAll("/", "_"));
  }

  async function find(name: string, version: string): Promise<Tag> {
    checkReference(name, version);
    const source = imageSources.get(name);
    if (source === undefined) {
      throw new Error(
        `the lab has no image "${name}"; it has: ${[...imageSources.keys()].join(", ")}. One of your own: --image ${name}=<reference>`,
      );
    }
    const recipe = await source.recipe(version);
    const current = async () => {
      const tag = await store.readTag(name, version);
      return tag?.recipe === recipe && (await store.find(tag.digest)) ? tag : undefined;
    };
    const cached = await current();
    if (cached) return cached;
    return withLock(lockFile(name), buildLockSeconds, async () => {
      const meanwhile = await current();
      if (meanwhile) return meanwhile;
      const tag: Tag = { ...(await source.make(context, version)), recipe };
      await store.writeTag(name, version, tag);
      return tag;
    });
  }

  const pending = new Map<string, Promise<Tag>>();
  function findOnce(name: string, version: string): Promise<Tag> {
    const key = `${name}:${version}`;
    const running = pending.get(key) ?? find(name, version).finally(() => pending.delete(key));
    pending.set(key, running);
    return running;
  }

  const resolved = (name: string, { digest, provenance }: Tag): RegistryImage => ({
    repository: `${registryAddress}/${name}`,
    digest,
    provenance,
  });

  return {
    resolve: async (name, version) => resolved(name, await findOnce(name, version)),
    async load(name, version, reference) {
      checkReference(name, version);
      if (!(await hasImage(docker, reference)) && !(await tryPull(docker, reference, progress))) {
        throw new Error(
          `the image ${reference} is neither in the lab's engine nor can it be pulled; put it there with: ` +
            `docker save ${reference} | docker -H unix://${docker.socketPath} load`,
        );
      }
      const tag: Tag = {
        digest: await publish(docker, store, reference),
        provenance: `the image ${reference}, given by hand`,
        recipe: "given",
      };
      return resolved(name, tag);
    },
    async listen(at = { host: home.gateway, port: registryPort }) {
      const options: ServeOptions = {
        ...at,
        certificate: await issueCertificate(home, [registryHost], [home.gateway, "127.0.0.1"]),
        store,
        access: () => readAccess(home),
        async findTag(name, version) {
          if (imageSources.get(name)?.whilePulled) return (await findOnce(name, version)).digest;
          return (await store.readTag(name, version))?.digest;
        },
      };
      return serveRegistry(options);
    },
  };
}
