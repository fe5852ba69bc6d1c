import { describe, expect, test } from "vitest";
import { cloud, createServer, publicKey, withCloud } from "./cloud-server.ts";

withCloud();

describe("servers", () => {
  test("a server boots with what it was created with", async () => {
    const key = (await cloud.call("POST", "/ssh_keys", { name: "deploy", public_key: publicKey })).body
      .ssh_key;
    const address = (
      await cloud.call("POST", "/primary_ips", { name: "web-1", type: "ipv4", location: "nbg1" })
    ).body.primary_ip;
    const firewall = (
      await cloud.call("POST", "/firewalls", {
        name: "web",
        rules: [{ direction: "in", protocol: "tcp", port: "443", source_ips: ["0.0.0.0/0", "::/0"] }],
      })
    ).body.firewall;
    const server = await createServer({
      ssh_keys: [key.id],
      labels: { system: "togather" },
      firewalls: [{ firewall: firewall.id }],
      public_net: { enable_ipv4: true, enable_ipv6: false, ipv4: address.id },
    });
    expect(server).toMatchObject({
      status: "running",
      locked: false,
      server_type: { name: "cx23", cores: 2 },
      location: { name: "nbg1" },
      public_net: {
        ipv4: { id: address.id, ip: "198.18.26.10" },
        ipv6: null,
        firewalls: [{ id: firewall.id }],
      },
    });
    expect(cloud.machines.specs.get(server.id)).toEqual({
      name: "web-1",
      serverId: server.id,
      image: "debian-12",
      address: "198.18.26.10",
      userData: "#cloud-config\n",
      sshKeys: [publicKey],
      labels: { system: "togather" },
    });
    expect(cloud.machines.rules.get(server.id)).toEqual([
      { direction: "in", protocol: "tcp", port: "443", ips: ["0.0.0.0/0", "::/0"] },
    ]);
  });

  test("protection prevents deletion and rebuild until it is removed", async () => {
    const server = await createServer();
    const protection = async (on: boolean) =>
      cloud.settle(
        (
          await cloud.call("POST", `/servers/${server.id}/actions/change_protection`, {
            delete: on,
            rebuild: on,
          })
        ).body.action,
      );
    await protection(true);
    expect(await cloud.call("DELETE", `/servers/${server.id}`)).toMatchObject({
      status: 423,
      body: { error: { code: "protected" } },
    });
    expect(
      (await cloud.call("POST", `/servers/${server.id}/actions/rebuild`, { image: "debian-12" })).body.error
        .code,
    ).toBe("protected");
    await protection(false);
    const { body } = await cloud.call("DELETE", `/servers/${server.id}`);
    expect(await cloud.settle(body.action)).toMatchObject({ status: "success", command: "delete_server" });
    expect((await cloud.call("GET", `/servers/${server.id}`)).body.error.code).toBe("not_found");
    expect(cloud.machines.specs.size).toBe(0);
    expect((await cloud.call("GET", "/primary_ips")).body.primary_ips).toEqual([]);
  });

  test("an action locks its server, and another one is refused at the same time", async () => {
    const server = await createServer();
    const held = Promise.withResolvers<void>();
    cloud.machines.powerOff = () => held.promise;
    const first = await cloud.call("POST", `/servers/${server.id}/actions/poweroff`);
    expect(first.body.action).toMatchObject({ status: "running", finished: null });
    expect(await cloud.call("POST", `/servers/${server.id}/actions/poweron`)).toMatchObject({
      status: 423,
      body: { error: { code: "locked" } },
    });
    held.resolve();
    await cloud.settle(first.body.action);
    expect((await cloud.call("GET", `/servers/${server.id}`)).body.server.status).toBe("off");
  });

  test("a machine that does not boot fails the action with its error", async () => {
    cloud.machines.failing = "boot";
    const { body } = await cloud.call("POST", "/servers", {
      name: "web-1",
      server_type: "cx23",
      image: "debian-12",
    });
    expect(await cloud.settle(body.action)).toMatchObject({
      status: "error",
      error: { code: "action_failed", message: "boot was made to fail" },
    });
  });

  test.each([
    [{ name: "Not a host" }, "name", "is not a valid hostname (RFC 1123)"],
    [{ server_type: "cx99" }, "server_type", "'cx99' does not exist"],
    [{ image: "plan9" }, "image", "'plan9' does not exist"],
    [{ location: "mars" }, "location", "'mars' does not exist"],
    [{ ssh_keys: ["nobody"] }, "ssh_keys", "'nobody' does not exist"],
    [{ labels: { "a b": "c" } }, "labels", "label key 'a b' is not correctly formatted"],
    [{ placement_group: 1 }, "placement_group", "is not supported by the lab's cloud"],
  ])("refuses %j by its field", async (fields, field, message) => {
    const answer = await cloud.call("POST", "/servers", {
      name: "web-1",
      server_type: "cx23",
      image: "debian-12",
      ...fields,
    });
    expect(answer.status).toBe(422);
    expect(answer.body.error).toMatchObject({
      code: "invalid_input",
      details: { fields: [{ name: field, messages: [message] }] },
    });
    expect((await cloud.call("GET", "/servers")).body.servers).toEqual([]);
    expect((await cloud.call("GET", "/primary_ips")).body.primary_ips).toEqual([]);
  });
});

describe("firewalls", () => {
  test("are recomputed when rules, targets or labels change", async () => {
    const server = await createServer({ labels: { role: "web" } });
    expect(cloud.machines.rules.get(server.id)).toBeUndefined();
    const { body } = await cloud.call("POST", "/firewalls", {
      name: "web",
      apply_to: [{ type: "label_selector", label_selector: { selector: "role in (web,edge)" } }],
    });
    for (const action of body.actions) {
      await cloud.settle(action);
    }
    expect(cloud.machines.rules.get(server.id)).toEqual([]);
    const set = await cloud.call("POST", `/firewalls/${body.firewall.id}/actions/set_rules`, {
      rules: [{ direction: "in", protocol: "icmp", source_ips: ["198.18.26.0/24"] }],
    });
    await cloud.settle(set.body.actions[0]);
    expect(cloud.machines.rules.get(server.id)).toEqual([
      { direction: "in", protocol: "icmp", ips: ["198.18.26.0/24"] },
    ]);
    await cloud.call("PUT", `/servers/${server.id}`, { labels: {} });
    await expect.poll(() => cloud.machines.rules.get(server.id)).toBeUndefined();
    expect((await cloud.call("DELETE", `/firewalls/${body.firewall.id}`)).body.error.code).toBe(
      "resource_in_use",
    );
  });
});

describe("volumes", () => {
  test("are created, attached, kept from deletion while attached, and removed", async () => {
    const server = await createServer();
    const { body } = await cloud.call("POST", "/volumes", {
      name: "data",
      size: 10,
      location: "nbg1",
      format: "ext4",
    });
    await cloud.settle(body.action);
    expect(body.volume.linux_device).toBe(`/dev/disk/by-id/scsi-0HC_Volume_${body.volume.id}`);
    const attach = await cloud.call("POST", `/volumes/${body.volume.id}/actions/attach`, {
      server: server.id,
    });
    expect(await cloud.settle(attach.body.action)).toMatchObject({ status: "success" });
    expect(cloud.machines.volumes.get(body.volume.id)).toBe(server.id);
    expect((await cloud.call("DELETE", `/volumes/${body.volume.id}`)).status).toBe(422);
    const detach = await cloud.call("POST", `/volumes/${body.volume.id}/actions/detach`);
    await cloud.settle(detach.body.action);
    expect((await cloud.call("DELETE", `/volumes/${body.volume.id}`)).status).toBe(204);
    await expect.poll(() => cloud.machines.volumes.size).toBe(0);
  });
});

describe("zones", () => {
  test("hold record sets whose values are checked", async () => {
    const { body } = await cloud.call("POST", "/zones", { name: "example.org", mode: "primary" });
    expect(body.zone).toMatchObject({ name: "example.org", ttl: 3600, record_count: 3 });
    const path = "/zones/example.org/rrsets";
    const rrset = await cloud.call("POST", path, {
      name: "www",
      type: "A",
      records: [{ value: "198.18.26.10" }],
    });
    expect(rrset.body.rrset).toMatchObject({ id: "www/A", ttl: null, zone: body.zone.id });
    expect(
      (await cloud.call("POST", path, { name: "www", type: "A", records: [{ value: "198.18.26.11" }] }))
        .status,
    ).toBe(409);
    expect(
      (await cloud.call("POST", path, { name: "www", type: "CNAME", records: [{ value: "x." }] })).status,
    ).toBe(422);
    expect(
      (await cloud.call("POST", path, { name: "t", type: "TXT", records: [{ value: "bare" }] })).body.error
        .code,
    ).toBe("invalid_input");
    const changed = await cloud.call("POST", `${path}/www/A/actions/set_records`, {
      records: [{ value: "198.18.26.12", comment: "new" }],
    });
    await cloud.settle(changed.body.action);
    expect((await cloud.call("GET", `${path}/www/A`)).body.rrset.records).toEqual([
      { value: "198.18.26.12", comment: "new" },
    ]);
    expect((await cloud.call("DELETE", `${path}/www/A`)).status).toBe(201);
  });
});
