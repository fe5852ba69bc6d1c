import { afterEach, describe, expect, test, vi } from "vitest";
import type { Backend, StackLock } from "../../ops/backend.ts";
import { type Deployment, resourceName, resources, type StateResource } from "../../ops/deployment.ts";
import {
  describeForgetting,
  forget,
  forgetHost,
  planForgetting,
  type VolumeChoice,
} from "../../ops/forget-host.ts";
import { resource } from "./ops-fixtures.ts";

/** A host whose server is gone is taken out of the state: what goes, what stays, and what must be said first. */

const onHost = (host: string, name: string, more: Partial<StateResource> = {}) =>
  resource("command:local:Command", name, {
    inputs: { create: `${name} on ${host} (198.51.100.7, port 22)` },
    ...more,
  });
const server = resource("hcloud:index/server:Server", "main-server", { id: "1" });
const volume = resource("hcloud:index/volume:Volume", "main-data", { id: "2", protect: true });
const address = resource("hcloud:index/primaryIp:PrimaryIp", "main-address", { id: "3", protect: true });
const attachment = resource("hcloud:index/volumeAttachment:VolumeAttachment", "main-data-attachment", {
  id: "2",
});
const ready = onHost("main", "main-settings", { dependencies: [server.urn] });
const docker = resource("pulumi:providers:docker", "main-docker", {
  ...{ id: "0", inputs: { host: "ssh://deploy@198.51.100.7:22" }, dependencies: [ready.urn] },
});
const postgres = resource("docker:index/service:Service", "togather_postgres", { id: "p", protect: true });
const postgresReady = onHost("main", "togather_postgres-ready", { dependencies: [postgres.urn] });
const postgresql = resource("pulumi:providers:postgresql", "togather_postgres-provider", {
  id: "5",
  dependencies: [postgresReady.urn],
});
const database = resource("postgresql:index/database:Database", "togather_database-database", {
  provider: `${postgresql.urn}::5`,
  deletedWith: postgres.urn,
  protect: true,
});
const replaced = resource("docker:index/service:Service", "togather_app", { id: "old", delete: true });
const password = resource("random:index/randomPassword:RandomPassword", "togather_database-password");
const record = resource("hcloud:index/zoneRrset:ZoneRrset", "dns-togather.example", {
  dependencies: [address.urn, ready.urn, password.urn],
  propertyDependencies: { records: [address.urn], ttl: [] },
});
const otherDocker = resource("pulumi:providers:docker", "code-docker", { id: "8" });
const other = [
  resource("hcloud:index/server:Server", "code-server", { id: "9" }),
  otherDocker,
  onHost("code", "code-registry-login", { dependencies: [postgresReady.urn] }),
  resource("docker:index/service:Service", "mfa_app", { id: "a", provider: `${otherDocker.urn}::8` }),
];
const state: Deployment = {
  version: 3,
  deployment: {
    resources: [
      ...[address, password, server, volume, attachment, ready, docker, postgres, postgresReady, postgresql],
      ...[database, replaced, record, ...other],
    ],
    pending_operations: [
      { type: "creating", resource: onHost("main", "togather_app-probe") },
      { type: "updating", resource: replaced },
      { type: "updating", resource: record },
    ],
  },
};
const names = (deployment: Deployment) => resources(deployment).map(({ urn }) => resourceName(urn));
const others = ["code-server", "code-docker", "code-registry-login", "mfa_app"];

describe("a state without a host", () => {
  test("has no server of it and nothing that was on it, and all else", () => {
    const { after, forgotten } = forgetHost(state, "main", { keepsData: false, stay: [] });
    expect(names(after)).toEqual(["togather_database-password", "dns-togather.example", ...others]);
    expect(forgotten).toHaveLength(11);
  });

  test("names nothing that is gone: Pulumi refuses such a state", () => {
    for (const keepsData of [false, true]) {
      const { after } = forgetHost(state, "main", { keepsData, stay: keepsData ? ["main-data"] : [] });
      const known = new Set(resources(after).map(({ urn }) => urn));
      const text = JSON.stringify(resources(after));
      for (const { urn } of resources(state)) if (!known.has(urn)) expect(text).not.toContain(urn);
    }
  });

  test("keeps a record's other dependencies, and of what was pending what is not of the host", () => {
    const { after } = forgetHost(state, "main", { keepsData: false, stay: [] });
    expect(resources(after).find(({ urn }) => urn === record.urn)).toMatchObject({
      dependencies: [password.urn],
      propertyDependencies: { records: [], ttl: [] },
    });
    expect(after.deployment.pending_operations?.map(({ resource: { urn } }) => urn)).toEqual([record.urn]);
  });

  test("keeps server, volume, address and databases where the Swarm alone is gone", () => {
    const stay = ["main-server", "main-data", "main-data-attachment", "main-address"];
    const { after } = forgetHost(state, "main", { keepsData: true, stay });
    expect(names(after)).toEqual([
      ...["main-address", "togather_database-password", "main-server", "main-data", "main-data-attachment"],
      ...["togather_postgres-provider", "togather_database-database", "dns-togather.example", ...others],
    ]);
  });

  test("keeps databases, volume and address where the volume goes on", () => {
    const { after } = forgetHost(state, "main", { keepsData: true, stay: ["main-data", "main-address"] });
    expect(names(after)).toEqual([
      ...["main-address", "togather_database-password", "main-data", "togather_postgres-provider"],
      ...["togather_database-database", "dns-togather.example", ...others],
    ]);
    expect(resources(after).find(({ urn }) => urn === database.urn)).not.toHaveProperty("deletedWith");
  });
});

describe("the command", () => {
  afterEach(() => {
    vi.unstubAllGlobals();
  });

  /** What Hetzner has, by list and id. */
  function plan(
    exist: Readonly<Record<string, number>>,
    volume?: VolumeChoice,
    lock?: StackLock,
    host = "main",
    swarm?: string,
  ) {
    vi.stubGlobal("fetch", async (url: string) => {
      const list = new URL(url).pathname.split("/").at(-1) ?? "";
      const kind = list.replace(/s$/, "");
      const id = exist[kind];
      const resourceOf = { server: "main-server", volume: "main-data", primary_ip: "main-address" }[kind];
      const labels = { "berth.resource": resourceOf };
      return new Response(
        JSON.stringify({ [list]: id === undefined ? [] : [{ id, name: `${kind}-x`, labels }] }),
      );
    });
    const written: Deployment[] = [];
    const backend: Backend = {
      ...{ stack: "production", description: "the stack production (pulumi)", opsCommand: "npm run ops --" },
      lock: async () => lock,
      removeLock: async () => undefined,
      read: async () => state,
      write: async (deployment) => void written.push(deployment),
      deployCommands: () => [],
    };
    const about = {
      backend,
      cloud: { token: "t".repeat(64) },
      host,
      ...(volume === undefined ? {} : { volume }),
      // What the host says of it.
      ...(swarm === undefined ? {} : { swarm: true, run: async () => `${swarm}\n` }),
    };
    return { written, backend, planned: planForgetting(about) };
  }

  test("refuses a server that still exists", async () => {
    await expect(plan({ server: 1 }).planned).rejects.toThrow(
      "the server server-x (1) of main still exists, so nothing is forgotten",
    );
  });

  test("asks what becomes of a volume that still exists", async () => {
    await expect(plan({ volume: 2 }).planned).rejects.toThrow(
      /the volume volume-x \(2\) of main still exists, and has newer data than any backup.*\n.*--volume keep.*\n.*--volume leave/,
    );
    await expect(plan({}, "keep").planned).rejects.toThrow("the volume of main is gone too");
  });

  test("forgets a Swarm that the host's Docker has lost, and no other", async () => {
    const swarm = (exist: Readonly<Record<string, number>>, said: string) =>
      plan(exist, undefined, undefined, "main", said).planned;
    expect(names((await swarm({ server: 1, volume: 2 }, "inactive")).after)).toContain("main-server");
    await expect(swarm({ server: 1 }, "active")).rejects.toThrow(
      "the Swarm of main is active, so nothing is forgotten",
    );
    await expect(swarm({}, "inactive")).rejects.toThrow(
      "the server of main is gone, and not its Swarm alone",
    );
  });

  test("refuses another host, a stack that is being deployed, and to work without the cloud", async () => {
    await expect(plan({}, undefined, undefined, "mian").planned).rejects.toThrow(
      'has no server of a host "mian"; it has: main, code',
    );
    await expect(plan({}, undefined, { owner: "anna@laptop" }).planned).rejects.toThrow(
      "is locked by anna@laptop",
    );
    await expect(planForgetting({ backend: plan({}).backend, host: "main" })).rejects.toThrow(
      "set HCLOUD_TOKEN",
    );
  });

  test("says what goes and what stays to be paid, and writes the state once", async () => {
    const { planned, backend, written } = plan({ volume: 2, primary_ip: 3 }, "leave");
    const found = await planned;
    expect(describeForgetting(found, "main")).toBe(
      [
        "Of 17 resources of the state, 11 were on main and are gone: 4 of hcloud, 2 of command, 3 of docker, 2 of postgresql.",
        "They are forgotten, and the next up makes them anew. 6 stay: passwords, keys, DNS records, the firewall.",
        "The volume volume-x (2) stays at Hetzner, is paid for, and is no longer the stack's: delete it there once the new host serves.",
        "The address primary_ip-x (3) stays at Hetzner, is paid for, and is no longer the stack's: delete it there once the new host serves.",
      ].join("\n"),
    );
    await forget(backend, found);
    expect(written).toEqual([found.after]);
  });

  test("keeps the address with the volume", async () => {
    const { planned } = plan({ volume: 2, primary_ip: 3 }, "keep");
    const { after, left } = await planned;
    expect(names(after)).toEqual(expect.arrayContaining(["main-address", "main-data"]));
    expect(left).toEqual([]);
  });
});
