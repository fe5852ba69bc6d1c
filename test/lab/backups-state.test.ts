import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { hostPaths } from "../../components/host/paths.ts";
import { labStore } from "../../lab/backups/address.ts";
import { storeFiles } from "../../lab/backups/store.ts";
import { ensureAuthority } from "../../lab/images/index.ts";
import type { Backend } from "../../ops/backend.ts";
import type { Deployment } from "../../ops/deployment.ts";
import { newCrypter } from "../../ops/passphrase.ts";
import { type RunCommand, runCommand } from "../../ops/run.ts";
import { savedState, saveState } from "../../ops/state-backup.ts";
import { deployment, resource } from "../unit/ops-fixtures.ts";
import { type BackupHost, startBackupHost, testStore } from "./backup-host.ts";
import { type ImageLab, openImages } from "./image-containers.ts";

/**
 * Pulumi's state through a host's own script into a real S3 server, and back by restic on this machine. What stands in is the way to the
 * host: scripts that `ops` sends by ssh run here.
 */
const { key, password } = testStore;
const passphrase = "passphrase-of-the-stack-canary-2b7f";
const canary = "berth-canary-state-91e4";
const source = "state production";

let lab: ImageLab;
let host: BackupHost;
/** Everything that was started as a command: none of it may have the state. */
const commands: string[] = [];
let sealed: Deployment;

const sha = "0".repeat(64);
const onHost: RunCommand = (command, args, options) => {
  commands.push([command, ...args].join(" "));
  const input = options.input ?? "";
  if (input.includes(hostPaths.backupRecords))
    return runCommand(
      "jq",
      ["--compact-output", '. + { of: "host-main" }', join(host.folder, "record.json")],
      options,
    );
  const script = input.replaceAll(hostPaths.backupScript("host-main"), host.script);
  return runCommand("bash", ["-s"], {
    ...options,
    input: `export PATH='${join(host.folder, "bin")}':"$PATH" NO_PROXY='*'\n${script}`,
  });
};
const backend = (state: Deployment): Backend => ({
  ...({} as Backend),
  stack: "production",
  opsCommand: "npm run ops --",
  read: async () => state,
});
const read = async (more: object = {}) => {
  const { certificatePem: trustedAuthorityPem } = await ensureAuthority(lab.home);
  const { endpoint, bucket, region } = labStore(lab.home, trustedAuthorityPem);
  const access = { endpoint, bucket, region, trustedAuthorityPem, ...key, password, passphrase, ...more };
  return savedState("production", ["host-other", "host-main"], access, runCommand);
};
const states = async () =>
  (JSON.parse(await host.ok("list")) as { source: string }[]).filter((entry) => entry.source === source);

beforeAll(async () => {
  process.env.NO_PROXY = "*";
  lab = await openImages("backups-state");
  host = await startBackupHost({
    ...{ home: lab.home, of: "host-main", password, key, dockerHost: "unix:///nonexistent", functions: "" },
    data: (folder) => [{ kind: "folder", of: "host-main", path: join(folder, "certificates"), after: [] }],
  });
  await mkdir(join(host.folder, "certificates"));
  await writeFile(join(host.folder, "certificates", "account"), "account");
  await host.install();
  const crypter = newCrypter(passphrase);
  const secret = { "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270" };
  const plain = deployment([
    resource("random:index/randomPassword:RandomPassword", "password", {
      outputs: { result: { ...secret, ciphertext: crypter.encrypt(JSON.stringify(canary)) } },
    }),
  ]);
  sealed = {
    ...plain,
    deployment: {
      ...plain.deployment,
      secrets_providers: { type: "passphrase", state: { salt: crypter.salt } },
    },
  };
});
afterAll(async () => {
  await host?.close();
  await lab?.close();
});

test("the state is not sent where nothing else is backed up", async () => {
  await writeFile(join(host.folder, "record.json"), "");
  expect(await saveState(backend(sealed), onHost)).toContain("nothing of production is backed up");
  await host.ok("take");
  await expect(read()).rejects.toThrow("host-main: has no state of production");
});

test("it is sent whole, read back and recorded; the host keeps no copy, and no command has it as an argument", async () => {
  expect(await saveState(backend(sealed), onHost)).toMatch(
    /^state production: backup [0-9a-f]{8}, \d+ bytes$/m,
  );
  expect((await host.record()).sources[source]).toMatchObject({ problem: "", id: expect.any(String) });
  expect(await readdir(join(host.folder, "nightly"))).toEqual([]);
  expect(commands.join("\n")).not.toContain("ciphertext");
  expect(commands.join("\n")).not.toContain("RandomPassword");
});

test("it comes back without a host: key, password and passphrase open it, and nothing else does", async () => {
  const { text, resources } = await read();
  expect(JSON.parse(text)).toEqual(sealed);
  expect(resources).toBe(2);
  expect(text).not.toContain(canary);
  await expect(read({ password: "another-password-of-24-letters" })).rejects.toThrow(
    /host-main: .*wrong password/,
  );
  await expect(read({ passphrase: "another" })).rejects.toThrow("incorrect passphrase");
  await expect(read({ secretAccessKey: "another-key" })).rejects.toThrow("no state of production was found");
});

test("one that did not arrive whole is refused, and the good one stays the newest", async () => {
  const before = await read();
  const cut = await host.fails("state", "production", sha);
  expect(cut).toContain("the state of production was not backed up");
  expect((await host.record()).sources[source].problem).toContain("its checksum differs");
  expect((await read()).time).toBe(before.time);
  // A problem of the state is none of the night's.
  await saveState(backend(sealed), onHost);
  expect((await host.record()).sources[source].problem).toBe("");
});

test("of many in one day the newest stays, and a night's backup goes on without the state", async () => {
  await saveState(backend(sealed), onHost);
  expect((await states()).length).toBeGreaterThan(2);
  await host.ok("take");
  expect(await states()).toHaveLength(1);
  expect(await host.record()).toMatchObject({ backup: { problem: "" } });
  expect((await read()).resources).toBe(2);
});

test("nothing of it is in the store in clear", async () => {
  const { data, versions } = storeFiles(lab.home);
  for (const folder of [data, versions])
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const text = await readFile(join(entry.parentPath, entry.name), "latin1");
      for (const secret of [canary, password, passphrase, "RandomPassword"])
        expect(text).not.toContain(secret);
    }
});
