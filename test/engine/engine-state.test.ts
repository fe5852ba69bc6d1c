import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { breakLock, describeLock, isStale, readLock, takeLock } from "../../lab/pulumi/engine/lock.ts";
import type { ResourceState } from "../../lab/pulumi/engine/resource-state.ts";
import { readState, writeState } from "../../lab/pulumi/engine/state.ts";
import { decodeDeployment } from "../../lab/pulumi/engine/state-json.ts";
import { reveal, Secret } from "../../lab/pulumi/engine/values.ts";
import { newCrypter, openCrypter } from "../../ops/passphrase.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "engine-state-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const resource: ResourceState = {
  urn: "urn:pulumi:dev::p::testing:index:Thing::a",
  type: "testing:index:Thing",
  custom: true,
  id: "a-1",
  importId: "imported-as",
  inputs: { password: new Secret("canary-in-the-state"), list: [1, new Secret({ deep: "canary-below" })] },
  outputs: { value: "x" },
  parent: "urn:pulumi:dev::p::pulumi:pulumi:Stack::p-dev",
  protect: true,
  delete: true,
  pendingReplacement: false,
  external: false,
  retainOnDelete: false,
  deletedWith: "",
  provider: "urn:pulumi:dev::p::pulumi:providers:testing::default::some-id",
  dependencies: ["urn:pulumi:dev::p::testing:index:Thing::b"],
  propertyDependencies: { value: ["urn:pulumi:dev::p::testing:index:Thing::b"] },
  initErrors: ["not right"],
  additionalSecretOutputs: ["token"],
  aliases: [],
  ignoreChanges: ["list"],
  replaceOnChanges: ["value"],
  replacementTrigger: { version: 2 },
  customTimeouts: { create: 30 },
  hooks: { BeforeDelete: ["gate"] },
  created: "2026-01-01T00:00:00.000Z",
  modified: undefined,
};

describe("secrets", () => {
  test("decrypt what a real pulumi encrypted", () => {
    // The salt and the value that `pulumi config set --secret` wrote (3.260), with the passphrase "conformance".
    const sealed = JSON.parse(
      readFileSync(join(import.meta.dirname, "engine-state.sealed.json"), "utf8"),
    ) as {
      salt: string;
      ciphertext: string;
      plaintext: string;
    };
    expect(openCrypter("conformance", sealed.salt).decrypt(sealed.ciphertext)).toBe(sealed.plaintext);
  });

  test("a wrong passphrase is refused without printing it", () => {
    const { salt } = newCrypter("right");
    expect(() => openCrypter("wrong", salt)).toThrow("incorrect passphrase for the secrets in the state");
  });
});

describe("the state file", () => {
  test("preserves everything, with no secret in plain text", () => {
    const file = join(folder, "state.json");
    const crypter = newCrypter("passphrase");
    writeState(file, { crypter, resources: [resource], pendingOperations: [{ type: "creating", resource }] });
    const text = readFileSync(file, "utf8");
    expect(text).not.toContain("canary");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const read = readState(file, "passphrase");
    expect(read.resources).toEqual([resource]);
    expect(read.pendingOperations).toEqual([{ type: "creating", resource }]);
    expect(reveal(read.resources[0]?.inputs.password ?? null)).toBe("canary-in-the-state");
  });

  test("an unchanged secret keeps its ciphertext from write to write; the version before stays as .bak", () => {
    const file = join(folder, "again.json");
    const crypter = newCrypter("passphrase");
    writeState(file, { crypter, resources: [resource], pendingOperations: [] });
    const before = readFileSync(file, "utf8");
    writeState(file, { ...readState(file, "passphrase"), pendingOperations: [] });
    const secrets = (text: string) => [...text.matchAll(/"ciphertext": "(.*)"/g)].map((match) => match[1]);
    expect(secrets(readFileSync(file, "utf8"))).toEqual(secrets(before));
    expect(readFileSync(`${file}.bak`, "utf8")).toBe(before);
  });

  test("the wrong passphrase and other formats are refused, naming the file", () => {
    const file = join(folder, "state.json");
    expect(() => readState(file, "wrong")).toThrow(`${file}: incorrect passphrase`);
    expect(() => decodeDeployment('{"version":2}', "x")).toThrow(
      "format version 2 with the features []; the lab's engine reads versions 3 and 4",
    );
  });
});

describe("the deploy lock", () => {
  test("is held by one process, reported to the next, and released by its owner", () => {
    const file = join(folder, "locked.json");
    const release = takeLock(file, "ann@here", "up");
    expect(() => takeLock(file, "bob@there", "up")).toThrow(
      /another deploy is running: ann@here began "up" \d+ s ago .*unlock/,
    );
    expect(readLock(file)).toMatchObject({
      owner: "ann@here",
      pid: process.pid,
      host: hostname(),
      operation: "up",
    });
    release();
    expect(readLock(file)).toBeUndefined();
  });

  test("of a process that has ended is stale: reported, not taken over, removed on request", async () => {
    const file = join(folder, "stale.json");
    const child = spawn(process.execPath, ["-e", ""]);
    await once(child, "exit");
    const lock = {
      owner: "ann@here",
      pid: child.pid ?? 0,
      host: hostname(),
      startedAt: new Date().toISOString(),
      operation: "up",
    };
    writeFileSync(`${file}.lock`, JSON.stringify(lock));
    expect(isStale(lock)).toBe(true);
    expect(() => takeLock(file, "bob@here", "up")).toThrow("the deploy lock is stale: ann@here");
    expect(isStale({ ...lock, host: "elsewhere" })).toBe(false);
    expect(describeLock({ ...lock, host: "elsewhere" })).toContain("another deploy is running");
    expect(breakLock(file)).toEqual(lock);
    expect(existsSync(`${file}.lock`)).toBe(false);
  });
});
