import { describe, expect, test } from "vitest";
import type { BerthConfig } from "../../config/schema.ts";
import { adoptable } from "../../policy/adoption.ts";
import { completeConfig, givenCertificate, givenLogin } from "./committed-config.ts";
import { runProgram } from "./support.ts";
import { isSecret, withoutSecrets } from "./togather-tasks.ts";

describe("adoption", () => {
  const berth = {
    hosts: { main: {} },
    ssh: JSON.parse(completeConfig("production").values["berth:ssh"] ?? "{}"),
    dns: { zone: "togather.example", otherZones: [] },
  };
  const names = [...adoptable(berth as unknown as BerthConfig, ["togather.example"])];
  const adopt = Object.fromEntries(names.map(([name, { id }], index) => [name, id ?? String(index + 1)]));

  test("a resource that is listed imports the existing object and ignores all its inputs", async () => {
    const hosts = JSON.parse(completeConfig("production").values["berth:hosts"] ?? "{}");
    const program = await runProgram("production", {
      "berth:adopt": JSON.stringify(adopt),
      "berth:hosts": JSON.stringify({ main: { ...hosts.main, ipv6: false, hostKey: "ssh-ed25519 AAAAown" } }),
    });
    expect(program.error).toBeUndefined();
    expect(names).toHaveLength(6);
    const taken = program.registrations.filter(({ importId }) => importId !== "");
    expect(Object.fromEntries(taken.map(({ name, importId }) => [name, importId]))).toEqual(adopt);
    for (const { name, inputs, ignoreChanges } of taken) {
      expect(ignoreChanges, name).toEqual(expect.arrayContaining(["name", ...Object.keys(inputs)]));
    }
    expect(JSON.stringify(program.find("pulumi:providers:docker", "main-docker").inputs)).toContain(
      "AAAAown",
    );
  });

  test("an adopted server keeps its addresses for good: the provider would delete them", async () => {
    const hosts = JSON.parse(completeConfig("production").values["berth:hosts"] ?? "{}");
    const { find } = await runProgram("production", {
      "berth:hosts": JSON.stringify({ main: { ...hosts.main, ipv6: false, hostKey: "ssh-ed25519 AAAAown" } }),
    });
    expect(find("hcloud:index/server:Server", "main-server").ignoreChanges).toContain("publicNets");
  });

  test("without it nothing is imported, and no more inputs are ignored", async () => {
    const { registrations, find } = await runProgram("production");
    expect(registrations.filter(({ importId }) => importId !== "")).toEqual([]);
    expect(find("hcloud:index/primaryIp:PrimaryIp", "main-address").ignoreChanges).toEqual(["location"]);
    expect(find("hcloud:index/server:Server", "main-server").ignoreChanges).toEqual(
      ["userData", "sshKeys", "image"].concat("location"),
    );
  });
});

test("further zones are separate resources, and a record is in the longest matching zone", async () => {
  const dns = { zone: "example.org", otherZones: ["togather.example", "deep.togather.example"] };
  const domain = "app.deep.togather.example";
  const program = await runProgram("production", {
    "berth:dns": JSON.stringify(dns),
    "berth:systems": JSON.stringify({ togather: { host: "main", domain } }),
  });
  expect(program.error).toBeUndefined();
  const zones = program.registrations.filter(({ type }) => type === "hcloud:index/zone:Zone");
  expect(zones.map(({ name, inputs, protect }) => [name, inputs.name, protect])).toEqual([
    ["dns-zone", "example.org", true],
    ["dns-zone-togather.example", "togather.example", true],
    ["dns-zone-deep.togather.example", "deep.togather.example", true],
  ]);
  const record = program.find("hcloud:index/zoneRrset:ZoneRrset", `dns-${domain}`);
  // Nobody is led to a host whose edge does not answer yet.
  expect(record.dependsOn).toContain("main-edge-ready");
  expect(record.inputs).toMatchObject({ zone: "deep.togather.example", name: "app" });
  expect(record.deletedWith).toBe("dns-zone-deep.togather.example");
});

test("the certificate is requested after the edge and the DNS records", async () => {
  const program = await runProgram("production");
  const command = program.find("command:local:Command", "main-edge-certificates");
  expect(command.dependsOn).toEqual(
    expect.arrayContaining(["main-edge-ready", "main-edge-configuration", "dns-togather.example"]),
  );
  expect(program.registrations.filter(({ dependsOn }) => dependsOn.includes(command.name))).toEqual([]);
});

test("a given certificate's key is secret, and no certificate is requested", async () => {
  const { registrations, find } = await runProgram("production", givenCertificate);
  expect(registrations.map(({ name }) => name)).not.toContain("main-edge-certificates");
  expect(isSecret(find("command:local:Command", "main-edge-configuration").inputs.stdin)).toBe(true);
  const inClear = JSON.stringify(registrations.map(({ inputs }) => withoutSecrets(inputs)));
  expect(inClear).not.toContain("canary-tls-private-key");
});

describe("a registry with a login", () => {
  test("the host logs in before it pulls images, with a password that is nowhere in clear text", async () => {
    const program = await runProgram("production", givenLogin);
    expect(program.error).toBeUndefined();
    const command = (name: string) => program.find("command:local:Command", name);
    const login = command("main-registry-ghcr.io");
    expect(login.parent).toBe("main");
    expect(login.inputs).toHaveProperty("delete");
    expect(isSecret(login.inputs.stdin)).toBe(true);
    for (const name of ["togather_app-pull", "togather_postgres-pull"])
      expect(command(name).dependsOn).toContain("main-registry-ghcr.io");
    expect(command("main-edge-pull").dependsOn).not.toContain("main-registry-ghcr.io");
    const password = givenLogin["berth:registryPassword.ghcr.io"] ?? "";
    const inClear = JSON.stringify(program.registrations.map(({ inputs }) => withoutSecrets(inputs)));
    expect(inClear).not.toContain(password);
    expect(inClear).not.toContain(Buffer.from(password).toString("base64").slice(0, -4));
    // Swarm would store it with the service.
    for (const { inputs } of program.registrations.filter(({ type }) => type.endsWith(":Service")))
      expect(inputs).not.toHaveProperty("auth");
    expect(program.find("pulumi:providers:docker", "main-docker").inputs).not.toHaveProperty("registryAuth");
  });
});
