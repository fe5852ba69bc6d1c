import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { stringify } from "yaml";
import type { BackupRecord } from "../../ops/backups.ts";
import type { StateResource } from "../../ops/deployment.ts";
import { newCrypter } from "../../ops/passphrase.ts";
import { requireSealed, stateProblems } from "../../ops/state-backup.ts";
import { storeAccess } from "../../ops/store-access.ts";
import { deployment, resource } from "./ops-fixtures.ts";

const canary = "canary-state-77aa21";
const signature = { "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270" };

describe("a state is sent only when nobody can read its secrets", () => {
  const state = (secrets_providers: object | undefined, ...more: StateResource[]) => {
    const plain = deployment(more);
    return {
      ...plain,
      deployment: { ...plain.deployment, ...(secrets_providers && { secrets_providers }) },
    } as typeof plain;
  };
  const passphrase = { type: "passphrase", state: { salt: "v1:x" } };
  const password = (value: object) =>
    resource("random:index/randomPassword:RandomPassword", "password", {
      outputs: { nested: [{ result: { ...signature, ...value } }] },
    });

  test("one that is sealed, by a passphrase or a key of a cloud", () => {
    requireSealed(state(passphrase, password({ ciphertext: "v1:a:b" })));
    requireSealed(state({ type: "cloud", state: {} }, password({ ciphertext: "v1:a:b" })));
  });

  test.each([
    [
      "has a secret in clear",
      state(passphrase, password({ plaintext: canary })),
      "secrets in clear, of urn:pulumi:production",
    ],
    ["is encoded only", state({ type: "b64" }), "secrets provider: b64"],
    ["has no provider of secrets", state(undefined), "secrets provider: none"],
  ])("one that %s is refused, without its value", (_what, wrong, message) => {
    expect(() => requireSealed(wrong)).toThrow(message);
    expect(() => requireSealed(wrong)).not.toThrow(canary);
  });
});

describe("what status says of the state's backup", () => {
  const place = { stack: "production", opsCommand: "npm run ops --" };
  const records = (ok?: string): BackupRecord[] => [
    {
      of: "host-main",
      ...{ host: "main", problems: [] },
      sources: ok === undefined ? {} : { "state production": { ok, attempt: ok, problem: "" } },
    },
  ];
  const saved = "2026-11-26T10:00:00Z";

  test("nothing when it is younger than every deploy, or when nothing is backed up at all", () => {
    expect(stateProblems(place, records(saved), ["2026-11-26T09:59:00Z", "2026-11-01T00:00:00Z"])).toEqual(
      [],
    );
    expect(stateProblems(place, records(saved), [])).toEqual([]);
    expect(stateProblems(place, [], ["2026-11-26T09:59:00Z"])).toEqual([]);
  });

  test("that there is none, and that a deploy came after it, with the command", () => {
    const command = /npm run ops -- save-state --stack production$/;
    expect(stateProblems(place, records(), [])).toEqual([expect.stringMatching(command)]);
    const stale = stateProblems(place, records(saved), ["2026-11-26T10:00:01Z"]);
    expect(stale).toEqual([expect.stringMatching(/is STALE/)]);
    expect(stale[0]).toMatch(command);
  });
});

describe("what opens the store, without Pulumi", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "berth-store-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const passphrase = "a passphrase";
  const crypter = newCrypter(passphrase);
  const sealed = (value: string) => ({ secure: crypter.encrypt(value) });
  const committed = {
    "berth:backups": {
      store: { kind: "s3", endpoint: "https://s3.example", bucket: "berth-backups", region: "fsn1" },
    },
    "berth:hosts": { main: {}, code: {} },
    "berth:systems": { togather: {} },
    "berth:backupsAccessKeyId": sealed("key-id"),
    "berth:backupsSecretAccessKey": sealed("the-secret-key"),
    "berth:backupsPassword": sealed(canary),
  };
  const access = (
    config: object = committed,
    env: Record<string, string> = { PULUMI_CONFIG_PASSPHRASE: passphrase },
  ) => {
    writeFileSync(
      join(folder, "Pulumi.production.yaml"),
      stringify({ encryptionsalt: crypter.salt, config }),
    );
    return storeAccess("production", env, folder);
  };

  test("is read from the stack file by its passphrase", () => {
    const { names, access: found } = access();
    expect(names).toEqual(["host-main", "host-code", "togather"]);
    expect(found).toMatchObject({
      accessKeyId: "key-id",
      secretAccessKey: "the-secret-key",
      password: canary,
    });
    writeFileSync(join(folder, "passphrase"), `${passphrase}\n`);
    const byFile = access(committed, { PULUMI_CONFIG_PASSPHRASE_FILE: join(folder, "passphrase") });
    expect(byFile.access.password).toBe(canary);
  });

  test("a copy that is kept elsewhere is what is tried, when it is given", () => {
    const env = { PULUMI_CONFIG_PASSPHRASE: passphrase, RESTIC_PASSWORD: "from-the-envelope" };
    expect(access(committed, env).access.password).toBe("from-the-envelope");
  });

  test.each([
    ["no passphrase", committed, {}, "set PULUMI_CONFIG_PASSPHRASE"],
    [
      "another passphrase",
      committed,
      { PULUMI_CONFIG_PASSPHRASE: "wrong" },
      "the passphrase does not open berth:backupsAccessKeyId",
    ],
    ["no backups", { "berth:hosts": {} }, { PULUMI_CONFIG_PASSPHRASE: passphrase }, "berth:backups: missing"],
    [
      "no password",
      { ...committed, "berth:backupsPassword": undefined },
      { PULUMI_CONFIG_PASSPHRASE: passphrase },
      "berth:backupsPassword: missing, or not encrypted with a passphrase; set RESTIC_PASSWORD",
    ],
    ["no hosts", {}, { PULUMI_CONFIG_PASSPHRASE: passphrase }, "Pulumi.production.yaml cannot be read"],
  ])("%s is said, without a secret", (_what, config, env, message) => {
    expect(() => access(config, env as Record<string, string>)).toThrow(message);
    expect(() => access(config, env as Record<string, string>)).not.toThrow(canary);
  });
});
