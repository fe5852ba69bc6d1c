import { describe, expect, test } from "vitest";
import { PartialFailure, type Properties, unknownValue } from "../../lab/pulumi/providers/provider.ts";
import {
  cloud,
  diff,
  type Made,
  make,
  provider,
  publicKey,
  ref,
  secretData,
  seed,
  withHcloudProvider,
} from "./hcloud-provider.ts";

withHcloudProvider();

/** Reads it and expects no diff with the arguments it was created with. */
async function expectStable(kind: string, name: string, made: Made, args: Properties): Promise<void> {
  const read = await provider.read(ref(kind, name), made.id, made.inputs, made.outputs);
  expect(read?.inputs).toEqual(made.inputs);
  const after = await diff(kind, name, { ...made, ...(read as Made) }, args);
  expect(after.changes).toEqual([]);
}

const firewallArgs: Properties = {
  rules: [
    {
      direction: "in",
      protocol: "tcp",
      port: "443",
      sourceIps: ["::/0", "0.0.0.0/0"],
      description: "HTTPS",
    },
    { direction: "in", protocol: "icmp", sourceIps: ["0.0.0.0/0"] },
  ],
  labels: { system: "togather" },
};

async function makeHost() {
  const key = await make("sshKey", "key", { publicKey: `${publicKey}\n` });
  const address = await make("primaryIp", "address", {
    type: "ipv4",
    assigneeType: "server",
    location: "nbg1",
    autoDelete: false,
    deleteProtection: true,
  });
  const firewall = await make("firewall", "firewall", firewallArgs);
  const volume = await make("volume", "data", { size: 20, location: "nbg1", format: "ext4" });
  const args: Properties = {
    serverType: "cx23",
    location: "nbg1",
    image: "debian-12",
    sshKeys: [key.id],
    publicNets: [{ ipv4Enabled: true, ipv4: Number(address.id), ipv6Enabled: false }],
    firewallIds: [Number(firewall.id)],
    userData: secretData,
    keepDisk: true,
    deleteProtection: true,
    rebuildProtection: true,
    labels: { role: "main" },
  };
  const server = await make("server", "main-server", args);
  return { key, address, firewall, volume, server, args };
}

describe("a host", () => {
  test("gets an IPv6 address later, powered off meanwhile, and loses it again", async () => {
    const { server, args } = await makeHost();
    const address6 = await make("primaryIp", "address6", {
      type: "ipv6",
      assigneeType: "server",
      location: "nbg1",
      autoDelete: false,
      deleteProtection: false,
    });
    expect(address6.outputs).toMatchObject({
      ipAddress: "fd62:6572:121a:a::",
      ipNetwork: "fd62:6572:121a:a::/64",
    });
    const [net] = args.publicNets as [Properties];
    const both = { ...args, publicNets: [{ ...net, ipv6Enabled: true, ipv6: Number(address6.id) }] };
    const change = async (old: Made, news: Properties): Promise<Made> => {
      const { inputs, changes, replaces } = await diff("server", "main-server", old, news);
      expect({ changes, replaces }).toEqual({ changes: ["publicNets"], replaces: [] });
      const place = ref("server", "main-server");
      return {
        ...old,
        inputs,
        outputs: await provider.update(place, old.id, old.inputs, old.outputs, inputs, 60),
      };
    };
    const changed = await change(server, both);
    expect(cloud.machines.calls.filter((call) => call.startsWith("power"))).toEqual([
      `powerOff ${server.id}`,
      `powerOn ${server.id}`,
    ]);
    expect(changed.outputs).toMatchObject({
      status: "running",
      ipv4Address: "198.18.26.10",
      ipv6Address: "fd62:6572:121a:a::1",
    });
    const back = await change(changed, args);
    expect(back.outputs).toMatchObject({ status: "running", ipv4Address: "198.18.26.10", ipv6Address: "" });
    await provider.delete(ref("primaryIp", "address6"), address6.id, address6.inputs, address6.outputs, 60);
  });

  test("is created with names and protection, and without a diff", async () => {
    const { key, address, firewall, volume, server, args } = await makeHost();
    expect(server.inputs.name).toBe("main-server-a1b2c3d");
    expect(server.outputs).toMatchObject({
      status: "running",
      ipv4Address: "198.18.26.10",
      ipv6Address: "",
      firewallIds: [Number(firewall.id)],
      deleteProtection: true,
    });
    expect(address.outputs).toMatchObject({ ipAddress: "198.18.26.10", deleteProtection: true });
    expect(volume.outputs.linuxDevice).toBe(`/dev/disk/by-id/scsi-0HC_Volume_${volume.id}`);
    expect(cloud.machines.specs.get(Number(server.id))).toMatchObject({
      userData: secretData,
      sshKeys: [publicKey],
    });
    expect(JSON.stringify(server.outputs)).not.toContain("canary");
    await expectStable("server", "main-server", server, args);
    await expectStable("firewall", "firewall", firewall, firewallArgs);
    await expectStable("sshKey", "key", key, { publicKey: `${publicKey}\n` });

    const attachmentArgs = { volumeId: Number(volume.id), serverId: Number(server.id), automount: false };
    const attachment = await make("volumeAttachment", "attachment", attachmentArgs);
    expect(attachment.id).toBe(volume.id);
    await expectStable("volumeAttachment", "attachment", attachment, attachmentArgs);
    await provider.delete(
      ref("volumeAttachment", "attachment"),
      attachment.id,
      attachment.inputs,
      attachment.outputs,
      60,
    );
    expect(cloud.machines.volumes.get(Number(volume.id))).toBeUndefined();
  });

  test("is not deleted while protected; the error contains the request", async () => {
    const { server, args } = await makeHost();
    const remove = () =>
      provider.delete(ref("server", "main-server"), server.id, server.inputs, server.outputs, 60);
    await expect(remove()).rejects.toThrow(
      `DELETE /servers/${server.id}: server with ID '${server.id}' is protected (protected, status 423)`,
    );
    const unprotected = { ...args, deleteProtection: false, rebuildProtection: false };
    const change = await diff("server", "main-server", server, unprotected);
    expect(change).toMatchObject({ changes: ["deleteProtection", "rebuildProtection"], replaces: [] });
    await provider.update(
      ref("server", "main-server"),
      server.id,
      server.inputs,
      server.outputs,
      change.inputs,
      60,
    );
    await remove();
    await remove();
    expect(
      await provider.read(ref("server", "main-server"), server.id, server.inputs, server.outputs),
    ).toBeUndefined();
  });

  test("grows in place, and changes its firewalls in place", async () => {
    const { server, args } = await makeHost();
    const other = await make("firewall", "other", { rules: [] });
    const change = await diff("server", "main-server", server, {
      ...args,
      serverType: "cx33",
      firewallIds: [Number(other.id)],
      labels: { role: "edge" },
    });
    expect(change).toMatchObject({ changes: ["serverType", "labels", "firewallIds"], replaces: [] });
    const outputs = await provider.update(
      ref("server", "main-server"),
      server.id,
      server.inputs,
      server.outputs,
      change.inputs,
      60,
    );
    expect(outputs).toMatchObject({
      serverType: "cx33",
      status: "running",
      primaryDiskSize: 40,
      firewallIds: [Number(other.id)],
      labels: { role: "edge" },
    });
    expect(cloud.machines.rules.get(Number(server.id))).toEqual([]);
  });

  test.each([["userData"], ["sshKeys"], ["image"], ["location"]])(
    "a change of %s replaces it",
    async (key) => {
      const args: Properties = {
        serverType: "cx23",
        image: "debian-12",
        location: "nbg1",
        userData: "a",
        sshKeys: ["1"],
      };
      const { inputs } = await provider.check(ref("server", "web"), args, undefined, seed);
      const old = { id: "1", inputs, outputs: inputs };
      const changed = key === "sshKeys" ? ["2"] : "other";
      expect(await diff("server", "web", old, { ...args, [key]: changed })).toMatchObject({
        changes: [key],
        replaces: [key],
      });
      const named = await provider.check(ref("server", "web"), { ...args, name: "web" }, undefined, seed);
      const oldNamed = { ...old, inputs: named.inputs };
      expect(await diff("server", "web", oldNamed, { ...args, name: "web", [key]: changed })).toMatchObject({
        deleteBeforeReplace: true,
      });
    },
  );

  test("a server whose action fails is recorded as partially created", async () => {
    await cloud.call("POST", "/lab/faults", {
      match: "POST /v1/servers",
      kind: "late-failure",
      code: "placement_error",
      message: "no room",
    });
    const failure = await make("server", "web", { serverType: "cx23", image: "debian-12" }).catch(
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(PartialFailure);
    expect(failure).toMatchObject({
      message: expect.stringMatching(/^action \d+ \(create_server\) failed: no room \(placement_error\)$/),
      id: expect.stringMatching(/^\d+$/),
      outputs: { status: "off" },
    });
  });
});

test("drift shows after a refresh", async () => {
  const firewall = await make("firewall", "firewall", firewallArgs);
  await cloud.call("POST", `/firewalls/${firewall.id}/actions/set_rules`, { rules: [] });
  const read = await provider.read(
    ref("firewall", "firewall"),
    firewall.id,
    firewall.inputs,
    firewall.outputs,
  );
  const change = await diff("firewall", "firewall", { ...firewall, ...(read as Made) }, firewallArgs);
  expect(change.changes).toEqual(["rules"]);
});

test("zones and record sets", async () => {
  const zoneArgs = { name: "example.org", mode: "primary", ttl: 300, deleteProtection: true };
  const zone = await make("zone", "zone", zoneArgs);
  await expectStable("zone", "zone", zone, zoneArgs);
  const args: Properties = {
    zone: "example.org",
    name: "togather",
    type: "A",
    ttl: 60,
    records: [{ value: "198.18.26.10" }],
    changeProtection: false,
  };
  const rrset = await make("zoneRrset", "record", args);
  expect(rrset.id).toBe("togather/A");
  await expectStable("zoneRrset", "record", rrset, args);
  const change = await diff("zoneRrset", "record", rrset, { ...args, records: [{ value: "198.18.26.11" }] });
  expect(change).toMatchObject({ changes: ["records"], replaces: [] });
  const outputs = await provider.update(
    ref("zoneRrset", "record"),
    rrset.id,
    rrset.inputs,
    rrset.outputs,
    change.inputs,
    60,
  );
  expect(outputs.records).toEqual([{ value: "198.18.26.11" }]);
  await provider.delete(ref("zoneRrset", "record"), rrset.id, rrset.inputs, rrset.outputs, 60);
});

test("unknown values of a preview count as changes", async () => {
  const args: Properties = { volumeId: 1, serverId: 2 };
  const old = { id: "1", inputs: args, outputs: args };
  expect(await diff("volumeAttachment", "a", old, { ...args, serverId: unknownValue })).toMatchObject({
    changes: ["serverId"],
    replaces: ["serverId"],
  });
});
