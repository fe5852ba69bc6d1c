import { readFileSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Cloud } from "../../ops/cloud.ts";
import { closeSsh, defaultRun, openSsh, sshAccess, sshPorts } from "../../ops/ssh-access.ts";
import { startCloud, type TestCloud, token } from "./cloud-recording.ts";

/** Temporary access, with the emulated API; that it lets packets through is tested in test/full/togather/environments.test.ts. */
let cloud: TestCloud;
let access: Cloud;
beforeEach(async () => {
  cloud = await startCloud();
  access = new Cloud({ endpoint: cloud.url, token }, 10);
});
afterEach(() => cloud.close());

const open = (run: string, from = "203.0.113.9", stack = "production") =>
  openSsh(access, stack, { run, from, ports: [22] });

async function server(stack: string): Promise<number> {
  const { body } = await cloud.call("POST", "/servers", {
    name: `${stack}-1`,
    server_type: "cx23",
    image: "debian-12",
    location: "nbg1",
    labels: { "berth.stack": stack },
  });
  await cloud.settle(body.action);
  return body.server.id;
}

/** Rules that are in force on a server, as `source:port`. */
const inForce = (id: number) =>
  (cloud.machines.rules.get(id) ?? []).flatMap(({ ips, port }) => ips.map((ip) => `${ip}:${port}`));

describe("access for a run", () => {
  test("is opened on the stack's servers for one address, and closed completely", async () => {
    const [ours, others] = [await server("production"), await server("staging")];
    expect(await open("41-1")).toBe("ssh-production-41-1");
    expect(inForce(ours)).toEqual(["203.0.113.9/32:22"]);
    expect(inForce(others)).toEqual([]);
    expect(await sshAccess(access, "production")).toMatchObject([
      { name: "ssh-production-41-1", from: "203.0.113.9/32", stale: false },
    ]);
    expect(await closeSsh(access, "production", "41-1")).toEqual(["ssh-production-41-1"]);
    expect(inForce(ours)).toEqual([]);
    expect((await cloud.call("GET", "/firewalls")).body.firewalls).toEqual([]);
    expect(await closeSsh(access, "production", "41-1")).toEqual([]);
  });

  test("opened twice exists once, for the second address", async () => {
    await open("41-1");
    await open("41-1", "2001:db8::1");
    expect(await sshAccess(access, "production")).toMatchObject([{ from: "2001:db8::1/128" }]);
  });

  test("closing keeps another run's and another stack's access and closes forgotten access", async () => {
    await open("41-1");
    await open("42-1");
    await open("41-1", "203.0.113.9", "staging");
    expect(await closeSsh(access, "production", "41-1")).toEqual(["ssh-production-41-1"]);
    expect(await sshAccess(access, "staging")).toHaveLength(1);

    await cloud.close();
    const state = JSON.parse(readFileSync(cloud.stateFile, "utf8"));
    const hourAgo = new Date(Date.now() - 3_700_000).toISOString();
    for (const firewall of state.firewalls) firewall.created = hourAgo;
    writeFileSync(cloud.stateFile, JSON.stringify(state));
    cloud = await startCloud(cloud.machines, cloud.stateFile);
    access = new Cloud({ endpoint: cloud.url, token }, 10);
    expect(await sshAccess(access, "production")).toMatchObject([{ stale: true }]);
    expect(await closeSsh(access, "production", "43-1")).toEqual(["ssh-production-42-1"]);
    expect(await sshAccess(access, "staging")).toHaveLength(1);
  });

  test("recovery ignores it, because it does not have the stack's label", async () => {
    await open("41-1");
    expect(await access.list("production")).toEqual([]);
  });

  test.each(["", "everybody", "203.0.113.0/24", "0.0.0.0/0", "203.0.113.999"])("not for %j", async (from) => {
    await expect(open("41-1", from)).rejects.toThrow(
      `--from: "${from}" is not an address; use the public address`,
    );
    expect(await sshAccess(access, "production")).toEqual([]);
  });
});

test("the run is GitHub's, or the person's", () => {
  expect(defaultRun({ GITHUB_RUN_ID: "41", GITHUB_RUN_ATTEMPT: "2" })).toBe("41-2");
  expect(defaultRun({})).toMatch(/^.+-.+$/);
});

test("the ports are those of the stack's file", () => {
  expect(sshPorts(new URL("../..", import.meta.url).pathname, "production")).toEqual([22, 666]);
});
