import { execFileSync } from "node:child_process";
import { createPrivateKey, createPublicKey, X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compare } from "bcryptjs";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { providerPackages } from "../../lab/pulumi/providers/index.ts";
import type { Properties } from "../../lab/pulumi/providers/provider.ts";
import { randomPackage } from "../../lab/pulumi/providers/random/index.ts";
import { tlsPackage } from "../../lab/pulumi/providers/tls/index.ts";

const random = randomPackage.create();
const tls = tlsPackage.create();
const seed = Buffer.alloc(8);
const of = (type: string) => ({ urn: "urn", type, name: "it" });
const password = of("random:index/randomPassword:RandomPassword");
const privateKey = of("tls:index/privateKey:PrivateKey");
const directory = mkdtempSync(join(tmpdir(), "berth-tls-"));
afterAll(() => rmSync(directory, { recursive: true }));

test("every package is listed once, at the version of the SDK that the program uses", () => {
  expect(new Set(providerPackages.map((pkg) => pkg.name)).size).toBe(providerPackages.length);
  for (const { name, version } of providerPackages) {
    const file = new URL(`../../node_modules/@pulumi/${name}/package.json`, import.meta.url);
    expect(version, name).toBe(JSON.parse(readFileSync(file, "utf8")).version);
  }
});

describe("random", () => {
  test("a password has its length and its minimums, and only allowed characters", async () => {
    const count = (text: string, characters: RegExp) => text.match(characters)?.length ?? 0;
    const inputs = fc.record({
      length: fc.integer({ min: 12, max: 60 }),
      minLower: fc.integer({ min: 0, max: 4 }),
      minUpper: fc.integer({ min: 0, max: 4 }),
      minNumeric: fc.integer({ min: 0, max: 4 }),
    });
    await fc.assert(
      fc.asyncProperty(inputs, async (inputs) => {
        const { outputs } = await random.create(password, { ...inputs, special: false }, 1);
        const result = String(outputs.result);
        expect(result).toMatch(/^[A-Za-z0-9]+$/);
        expect(result).toHaveLength(inputs.length);
        expect(count(result, /[a-z]/g)).toBeGreaterThanOrEqual(inputs.minLower);
        expect(count(result, /[A-Z]/g)).toBeGreaterThanOrEqual(inputs.minUpper);
        expect(count(result, /[0-9]/g)).toBeGreaterThanOrEqual(inputs.minNumeric);
      }),
      // Each password is also hashed, which is slow.
      { numRuns: 30 },
    );
  });

  test("a password's id is not secret; its defaults are outputs", async () => {
    const { id, outputs } = await random.create(password, { length: 20, overrideSpecial: "~" }, 1);
    expect(id).toBe("none");
    const { result, bcryptHash, ...rest } = outputs;
    expect(result).toMatch(/^[A-Za-z0-9~]{20}$/);
    expect(await compare(String(result), String(bcryptHash))).toBe(true);
    expect(rest).toEqual({
      length: 20,
      upper: true,
      lower: true,
      number: true,
      numeric: true,
      special: true,
      minUpper: 0,
      minLower: 0,
      minNumeric: 0,
      minSpecial: 0,
      overrideSpecial: "~",
    });
  });

  test.each([
    [{}, "length", "missing required property"],
    [{ length: 0 }, "length", "must be at least 1, not 0"],
    [{ length: 3, minLower: 2, minUpper: 2 }, "length", "minSpecial = 4, not 3"],
    [{ length: 3, number: true, numeric: false }, "number", "must not differ"],
    [{ length: 3, upper: false, lower: false, numeric: false, special: false }, "special", "must not all be"],
    [{ length: 3, lenght: 3 }, "lenght", '"lenght" is not an input of random:index/randomPassword'],
  ])("refuses %o", async (news, property, reason) => {
    const { failures } = await random.check(password, news, undefined, seed);
    expect(failures).toEqual([{ property, reason: expect.stringContaining(reason) }]);
  });

  test("every change replaces; an explicit default is not a change", async () => {
    const olds = { length: 20, keepers: { a: "1" } };
    const diff = (news: typeof olds & { numeric?: boolean }) => random.diff(password, "none", olds, {}, news);
    expect(await diff({ ...olds, numeric: true })).toEqual({ changes: [], replaces: [] });
    expect(await diff({ ...olds, keepers: { a: "2" } })).toEqual({
      changes: ["keepers"],
      replaces: ["keepers"],
    });
    expect(await diff({ ...olds, numeric: false })).toEqual({
      changes: ["number", "numeric"],
      replaces: ["number", "numeric"],
    });
  });

  test("refuses unsupported types by name", async () => {
    const pet = of("random:index/randomPet:RandomPet");
    await expect(random.check(pet, {}, undefined, seed)).rejects.toThrow(
      "random:index/randomPet:RandomPet is not supported by the lab; its providers have: random:index/randomPassword",
    );
  });
});

describe("tls", () => {
  test.each([
    [{ algorithm: "ED25519" }, "ssh-ed25519"],
    [{ algorithm: "RSA", rsaBits: 2048 }, "ssh-rsa"],
    [{ algorithm: "ECDSA", ecdsaCurve: "P256" }, "ecdsa-sha2-nistp256"],
    [{ algorithm: "ECDSA", ecdsaCurve: "P384" }, "ecdsa-sha2-nistp384"],
    [{ algorithm: "ECDSA", ecdsaCurve: "P521" }, "ecdsa-sha2-nistp521"],
  ])("OpenSSH reads %o", async (inputs, name) => {
    const { id, outputs } = await tls.create(privateKey, inputs, 1);
    const file = join(directory, id);
    writeFileSync(file, String(outputs.privateKeyOpenssh), { mode: 0o600 });
    const publicKey = execFileSync("ssh-keygen", ["-y", "-f", file], { encoding: "utf8" });
    expect(publicKey).toBe(outputs.publicKeyOpenssh);
    expect(publicKey.split(" ")[0]).toBe(name);
    expect(execFileSync("ssh-keygen", ["-l", "-f", file], { encoding: "utf8" })).toContain(
      ` ${String(outputs.publicKeyFingerprintSha256)} `,
    );
    expect(execFileSync("ssh-keygen", ["-l", "-E", "md5", "-f", file], { encoding: "utf8" })).toContain(
      ` MD5:${String(outputs.publicKeyFingerprintMd5)} `,
    );
    expect(id).toMatch(/^[0-9a-f]{40}$/);
  });

  test("all forms contain the same key", async () => {
    for (const inputs of [{ algorithm: "ED25519" }, { algorithm: "RSA" }, { algorithm: "ECDSA" }]) {
      const { outputs } = await tls.create(privateKey, inputs, 1);
      for (const form of [outputs.privateKeyPem, outputs.privateKeyPemPkcs8]) {
        const derived = createPublicKey(createPrivateKey(String(form)));
        expect(derived.export({ type: "spki", format: "pem" })).toBe(outputs.publicKeyPem);
      }
    }
  });

  test("P-224 has no OpenSSH form, as in the real provider", async () => {
    const { outputs } = await tls.create(privateKey, { algorithm: "ECDSA" }, 1);
    expect(outputs).toMatchObject({ ecdsaCurve: "P224", privateKeyOpenssh: "", publicKeyOpenssh: "" });
  });

  test("any change replaces; algorithms and certificates that the lab has not are refused", async () => {
    const olds = { algorithm: "ED25519" };
    expect(await tls.diff(privateKey, "id", olds, {}, { algorithm: "RSA" })).toEqual({
      changes: ["algorithm"],
      replaces: ["algorithm"],
    });
    const { failures } = await tls.check(privateKey, { algorithm: "DSA" }, undefined, seed);
    expect(failures).toEqual([
      { property: "algorithm", reason: 'must be one of RSA, ECDSA, ED25519, not "DSA"' },
    ]);
    const request = of("tls:index/certRequest:CertRequest");
    await expect(tls.check(request, {}, undefined, seed)).rejects.toThrow("is not supported by the lab");
  });

  describe("a self-signed certificate", () => {
    const selfSigned = of("tls:index/selfSignedCert:SelfSignedCert");
    const make = async (more: Properties = {}) => {
      const key = await tls.create(privateKey, { algorithm: "ECDSA", ecdsaCurve: "P256" }, 1);
      const inputs = {
        privateKeyPem: String(key.outputs.privateKeyPem),
        subject: { commonName: "a_database" },
        dnsNames: ["a_database"],
        allowedUses: ["digital_signature", "server_auth"],
        validityPeriodHours: 240,
        ...more,
      };
      return { inputs, ...(await tls.create(selfSigned, inputs, 1)) };
    };

    test("has its names, uses, key and validity, and is self-signed", async () => {
      const { id, inputs, outputs } = await make();
      const certificate = new X509Certificate(String(outputs.certPem));
      expect(certificate.subject).toBe("CN=a_database");
      expect(certificate.subjectAltName).toBe("DNS:a_database");
      expect(certificate.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1"]);
      expect(certificate.ca).toBe(false);
      expect(certificate.checkPrivateKey(createPrivateKey(String(inputs.privateKeyPem)))).toBe(true);
      expect(certificate.verify(certificate.publicKey)).toBe(true);
      expect(BigInt(`0x${certificate.serialNumber}`).toString()).toBe(id);
      const hours = (Date.parse(String(outputs.validityEndTime)) - Date.now()) / 3_600_000;
      expect(hours).toBeCloseTo(240, 1);
      expect(outputs).toMatchObject({ keyAlgorithm: "ECDSA", earlyRenewalHours: 0, readyForRenewal: false });
    });

    test("is replaced during its early renewal period without a change, and not before", async () => {
      const { id, inputs, outputs } = await make();
      const diff = (earlyRenewalHours: number) => {
        const news = { ...inputs, earlyRenewalHours };
        return tls.diff(selfSigned, id, news, outputs, news);
      };
      expect(await diff(239)).toEqual({ changes: [], replaces: [] });
      expect(await diff(241)).toEqual({ changes: ["readyForRenewal"], replaces: ["readyForRenewal"] });
    });

    test("another early renewal changes it in place, anything else replaces it", async () => {
      const { id, inputs, outputs } = await make();
      const diff = (news: Properties) => tls.diff(selfSigned, id, inputs, outputs, { ...inputs, ...news });
      expect(await diff({ earlyRenewalHours: 24 })).toEqual({ changes: ["earlyRenewalHours"], replaces: [] });
      expect(await diff({ dnsNames: ["b"] })).toEqual({ changes: ["dnsNames"], replaces: ["dnsNames"] });
    });

    test.each([
      [{ allowedUses: ["cert_signing"] }, "allowedUses", '"cert_signing" is not supported by the lab'],
      [{ subject: { organization: "x" } }, "subject", '"organization" is not supported by the lab'],
      [{ isCaCertificate: true }, "isCaCertificate", "is not supported by the lab"],
    ])("refuses %o", async (more, property, reason) => {
      const { inputs } = await make();
      const { failures } = await tls.check(selfSigned, { ...inputs, ...more }, undefined, seed);
      expect(failures).toEqual([{ property, reason: expect.stringContaining(reason) }]);
    });
  });
});
