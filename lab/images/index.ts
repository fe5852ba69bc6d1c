/**
 * The lab's images: a read-only registry that machines pull from, and the sources of its images.
 *
 * ```ts
 * const registry = await createRegistry(docker, home, progress);
 * const { repository, digest, provenance } = await registry.resolve("nginx", "1.28.3");
 * const server = await registry.listen();          // https://<home.gateway>:5000
 * …
 * await server.close();
 * ```
 *
 * Names: `nginx`, `postgres`, `redis`, `registry`, `traefik` and every declaration of `lab/apps` (`<system>/<service>`). An application
 * exists at every version; versions that begin with `broken-start`, `broken-health`, `broken-migration` or `broken-after` fail on
 * purpose.
 *
 * A machine reaches the registry as `registry.berth.lab:5000`: the name must resolve to `home.gateway`,
 * and `/etc/docker/certs.d/registry.berth.lab:5000/ca.crt` must contain the lab's authority ({@link ensureAuthority}).
 *
 * Where an image comes from, in this order: the cached image of the same recipe (so that a digest stays the same from
 * run to run), the real image if a registry answers, a stand-in built from packages. Images and their layers are stored in
 * `<cacheDir>/registry`, shared by all labs; images given with `load` belong to one lab.
 *
 * Packages needed for stand-ins: `debootstrap` (as root) for the Debian base, `cargo` for nginx, `go` for `migrate` and Traefik.
 */
export { ensureAuthority, issueCertificate } from "./authority.ts";
export { createRegistry, registryAddress, registryHost } from "./registry.ts";
