import { execFile, execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LabHome } from "../../lab/home.ts";
import { layerOf } from "../../lab/images/archive.ts";
import { ensureAuthority, issueCertificate } from "../../lab/images/authority.ts";
import { type ImageSettings, imageConfig, imageManifest, type Layer } from "../../lab/images/manifest.ts";
import { serveRegistry } from "../../lab/images/serve.ts";
import { checkReference, digestOf, openStore } from "../../lab/images/store.ts";

let folder: string;
let home: LabHome;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "berth-images-"));
  const stateDir = join(folder, "state");
  home = { name: "unit", cacheDir: folder, stateDir, subnet: "198.18.24.0/24", gateway: "198.18.24.1" };
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const layer: Layer = {
  digest: `sha256:${"a".repeat(64)}`,
  sizeBytes: 10,
  diffId: "sha256:b",
  compressed: false,
};
const settings: ImageSettings = {
  environment: { APP_VERSION: "v1", PORT: "8080" },
  entrypoint: ["/app/server"],
  workingDirectory: "/app",
  user: "10001:10001",
  ports: [8080],
  labels: { "org.opencontainers.image.version": "v1" },
  created: "2026-01-28T00:00:00Z",
};

describe("an image's configuration and manifest", () => {
  test("the configuration contains the settings of containers", () => {
    const { config, rootfs, ...rest } = JSON.parse(imageConfig(settings, [layer]).toString());
    expect(config).toEqual({
      User: "10001:10001",
      ExposedPorts: { "8080/tcp": {} },
      Env: ["APP_VERSION=v1", "PORT=8080"],
      Entrypoint: ["/app/server"],
      WorkingDir: "/app",
      Labels: { "org.opencontainers.image.version": "v1" },
    });
    expect(rootfs).toEqual({ type: "layers", diff_ids: ["sha256:b"] });
    expect(rest).toMatchObject({ architecture: "amd64", os: "linux", created: "2026-01-28T00:00:00Z" });
  });

  test("equal settings give equal bytes, whatever the order of keys", () => {
    const record = fc.dictionary(fc.stringMatching(/^[A-Z]{1,8}$/), fc.string());
    fc.assert(
      fc.property(record, record, (environment, labels) => {
        const backwards = (of: Record<string, string>) => Object.fromEntries(Object.entries(of).reverse());
        const one = imageConfig({ ...settings, environment, labels }, [layer]);
        const other = imageConfig(
          { ...settings, environment: backwards(environment), labels: backwards(labels) },
          [layer],
        );
        expect(one.equals(other)).toBe(true);
      }),
    );
  });

  test("another version is another digest", () => {
    const digest = (version: string) => {
      const config = imageConfig({ ...settings, environment: { APP_VERSION: version } }, [layer]);
      return digestOf(imageManifest({ digest: digestOf(config), sizeBytes: config.length }, [layer]));
    };
    expect(digest("v1")).toBe(digest("v1"));
    expect(digest("v1")).not.toBe(digest("v2"));
  });

  test("the manifest says how each layer is stored", () => {
    const manifest = JSON.parse(
      imageManifest({ digest: "sha256:c", sizeBytes: 2 }, [layer, { ...layer, compressed: true }]).toString(),
    );
    expect(manifest.layers.map((each: { mediaType: string }) => each.mediaType)).toEqual([
      "application/vnd.docker.image.rootfs.diff.tar",
      "application/vnd.docker.image.rootfs.diff.tar.gzip",
    ]);
  });
});

describe("the store", () => {
  test("a layer's digest depends on paths, modes and content alone", async () => {
    const store = openStore(join(folder, "layers"));
    const entries = [
      { path: "app/server", text: "#!/bin/sh\n", mode: 0o755 },
      { path: "app/a/b", text: "b" },
    ];
    const first = await layerOf(store, entries);
    const again = await layerOf(store, [...entries].reverse());
    expect(again).toEqual(first);
    const other = await layerOf(store, [{ path: "app/server", text: "#!/bin/sh\n" }, entries[1] as never]);
    expect(other.digest).not.toBe(first.digest);
    const path = (await store.find(first.digest))?.path ?? "";
    const listing = await promisify(execFile)("tar", ["-tvf", path, "--numeric-owner"], {
      env: { TZ: "UTC" },
    });
    expect(listing.stdout).toMatch(/-rwxr-xr-x 0\/0 +10 1970-01-01 00:00 \.\/app\/server/);
    expect(await readdir(join(store.root, "scratch"))).toEqual([]);
  });

  test("a tag is read back, a missing one is undefined", async () => {
    const store = openStore(join(folder, "tags-test"));
    const tag = { digest: "sha256:d", provenance: "made up", recipe: "r" };
    await store.writeTag("togather/app", "v1.0.0", tag);
    expect(await store.readTag("togather/app", "v1.0.0")).toEqual(tag);
    expect(await store.readTag("togather/app", "v1.0.1")).toBeUndefined();
  });

  test.each([
    ["../../etc", "v1", '"../../etc" is not an image name'],
    ["Togather", "v1", '"Togather" is not an image name'],
    ["togather/app", "../v1", '"../v1" is not a version of an image'],
    ["togather/app", "", '"" is not a version of an image'],
  ])("refuses %s:%s", (name, version, message) => {
    expect(() => checkReference(name, version)).toThrow(message);
  });
});

describe("the authority", () => {
  test("is created once, also by concurrent processes, and its key is private", async () => {
    const all = await Promise.all([1, 2, 3].map(() => ensureAuthority(home)));
    expect(new Set(all.map((each) => each.certificatePem)).size).toBe(1);
    expect((await stat(all[0]?.keyPath ?? "")).mode & 0o077).toBe(0);
    expect(new X509Certificate(all[0]?.certificatePem ?? "").ca).toBe(true);
    expect((await readdir(home.stateDir)).sort()).toEqual(["ca.crt", "ca.key"]);
  });

  test("signs certificates for names, wildcards and addresses", async () => {
    const authority = new X509Certificate((await ensureAuthority(home)).certificatePem);
    const pem = await issueCertificate(home, ["togather.example", "*.togather.example"], ["198.18.24.1"], 30);
    const certificate = new X509Certificate(pem.certificatePem);
    expect(certificate.verify(authority.publicKey)).toBe(true);
    expect(certificate.checkIssued(authority)).toBe(true);
    expect(certificate.ca).toBe(false);
    expect(certificate.subjectAltName).toBe(
      "DNS:togather.example, DNS:*.togather.example, IP Address:198.18.24.1",
    );
    const days = (certificate.validToDate.getTime() - certificate.validFromDate.getTime()) / 86_400_000;
    expect(days).toBe(30);
  });

  test("that openssl created for an earlier lab is still used", async () => {
    const old = { ...home, stateDir: await mkdtemp(join(folder, "old-")) };
    const [certificatePath, keyPath] = [join(old.stateDir, "ca.crt"), join(old.stateDir, "ca.key")];
    execFileSync(
      "openssl",
      [
        ..."req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj".split(" "),
        "/CN=Berth lab authority (berth)",
        ...[
          "-addext",
          "basicConstraints=critical,CA:TRUE,pathlen:0",
          "-keyout",
          keyPath,
          "-out",
          certificatePath,
        ],
      ],
      { stdio: "ignore" },
    );
    const { certificatePem } = await issueCertificate(old, ["togather.example"]);
    const authority = new X509Certificate(await readFile(certificatePath));
    const certificate = new X509Certificate(certificatePem);
    expect(certificate.verify(authority.publicKey)).toBe(true);
    expect(certificate.checkIssued(authority)).toBe(true);
    expect(certificate.issuer).toBe("CN=Berth lab authority (berth)");
  });

  test("refuses invalid names and addresses", async () => {
    await expect(issueCertificate(home, ["a.example\nbasicConstraints = CA:TRUE"])).rejects.toThrow(
      "is not a DNS name",
    );
    await expect(issueCertificate(home, [], ["198.18.24.256"])).rejects.toThrow("is not an IP address");
    await expect(issueCertificate(home, [])).rejects.toThrow("at least one name or address");
  });
});

describe("the registry's HTTP API", () => {
  let address: string;
  let close: () => Promise<void>;
  let ca: string;
  const manifest = Buffer.from('{"schemaVersion":2}');
  let blobDigest: string;

  beforeAll(async () => {
    const store = openStore(join(folder, "served"));
    await store.put(manifest);
    await writeFile(join(folder, "blob"), "x".repeat(100_000));
    blobDigest = (await store.adopt(join(folder, "blob"))).digest;
    ca = await readFile((await ensureAuthority(home)).certificatePath, "utf8");
    const server = await serveRegistry({
      host: "127.0.0.1",
      port: 0,
      certificate: await issueCertificate(home, ["registry.berth.lab"], ["127.0.0.1"]),
      store,
      findTag: async (name, version) =>
        name === "togather/app" && version === "v1" ? digestOf(manifest) : undefined,
    });
    address = server.address;
    close = server.close;
  });
  afterAll(() => close());

  function ask(
    method: string,
    path: string,
  ): Promise<{ status: number; type: string; body: string; digest: string }> {
    return new Promise((resolve, reject) => {
      const sent = request(`https://${address}${path}`, { method, ca }, (response) => {
        let body = "";
        response.setEncoding("utf8");
        response.on("data", (part: string) => {
          body += part;
        });
        response.on("end", () =>
          resolve({
            status: response.statusCode ?? 0,
            type: response.headers["content-type"] ?? "",
            digest: String(response.headers["docker-content-digest"] ?? ""),
            body,
          }),
        );
      });
      sent.on("error", reject);
      sent.end();
    });
  }

  test("identifies itself as a registry", async () => {
    expect(await ask("GET", "/v2/")).toMatchObject({ status: 200, body: "{}" });
  });

  test("serves manifests by tag and by digest", async () => {
    const byTag = await ask("GET", "/v2/togather/app/manifests/v1");
    expect(byTag).toEqual({
      status: 200,
      type: "application/vnd.docker.distribution.manifest.v2+json",
      digest: digestOf(manifest),
      body: manifest.toString(),
    });
    expect(await ask("GET", `/v2/togather/app/manifests/${digestOf(manifest)}`)).toEqual(byTag);
    expect(await ask("HEAD", "/v2/togather/app/manifests/v1")).toEqual({ ...byTag, body: "" });
  });

  test("serves blobs", async () => {
    const { status, body } = await ask("GET", `/v2/togather/app/blobs/${blobDigest}`);
    expect([status, body.length]).toEqual([200, 100_000]);
  });

  test.each([
    ["GET", "/v2/togather/app/manifests/v9", 404, "MANIFEST_UNKNOWN", "the lab has no image togather/app:v9"],
    ["GET", `/v2/x/blobs/sha256:${"0".repeat(64)}`, 404, "BLOB_UNKNOWN", "the lab has no blob"],
    ["GET", "/v2/x/blobs/..%2f..%2fca.key", 404, "BLOB_UNKNOWN", "the lab has no blob"],
    ["GET", "/v2/x/tags/list", 404, "NAME_UNKNOWN", "the lab's registry has nothing at /v2/x/tags/list"],
    ["PUT", "/v2/togather/app/manifests/v1", 405, "UNSUPPORTED", "can only be pulled from"],
  ])("%s %s is refused with %d", async (method, path, status, code, message) => {
    const answer = await ask(method, path);
    expect(answer.status).toBe(status);
    const [error] = (JSON.parse(answer.body) as { errors: { code: string; message: string }[] }).errors;
    expect(error?.code).toBe(code);
    expect(error?.message).toContain(message);
  });
});
