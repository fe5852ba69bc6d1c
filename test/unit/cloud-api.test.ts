import { readFileSync, statSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parseSelector } from "../../lab/cloud/selector.ts";
import type { Json } from "./cloud-recording.ts";
import { cloud, createServer, publicKey, restartCloud, withCloud } from "./cloud-server.ts";

withCloud();

describe("the API itself", () => {
  test("requires its token, and names unsupported paths", async () => {
    expect(await cloud.call("GET", "/servers", undefined, "x".repeat(64))).toMatchObject({
      status: 401,
      body: { error: { code: "unauthorized" } },
    });
    expect((await cloud.call("GET", "/load_balancers")).body.error).toMatchObject({
      code: "not_found",
      message: "GET /v1/load_balancers is not supported by the lab's cloud",
    });
    const { headers } = await cloud.call("GET", "/locations");
    expect(headers.get("ratelimit-limit")).toBe("3600");
  });

  test("paginates its lists", async () => {
    for (const name of ["a", "b", "c"]) {
      await cloud.call("POST", "/primary_ips", {
        name,
        type: "ipv4",
        location: "fsn1",
        labels: { name },
      });
    }
    const { body } = await cloud.call("GET", "/primary_ips?per_page=2&page=2&sort=name:desc");
    expect(body.primary_ips.map((address: Json) => address.name)).toEqual(["a"]);
    expect(body.meta.pagination).toEqual({
      page: 2,
      per_page: 2,
      previous_page: 1,
      next_page: null,
      last_page: 2,
      total_entries: 3,
    });
    const selected = await cloud.call("GET", "/primary_ips?label_selector=name%20notin%20(a,b)");
    expect(selected.body.primary_ips).toHaveLength(1);
  });

  test("keeps its state across a restart, restarts its machines, and its file is private", async () => {
    const server = await createServer();
    const text = readFileSync(cloud.stateFile, "utf8");
    expect(JSON.parse(text).servers).toHaveLength(1);
    expect(statSync(cloud.stateFile).mode & 0o077).toBe(0);
    await cloud.close();
    cloud.machines.specs.clear();
    await restartCloud();
    expect((await cloud.call("GET", `/servers/${server.id}`)).body.server.status).toBe("running");
    expect(cloud.machines.calls.filter((call) => call === "boot web-1")).toHaveLength(2);
  });
});

describe("faults on request", () => {
  const fault = (fields: object) => cloud.call("POST", "/lab/faults", fields);
  const key = { name: "deploy", public_key: publicKey };

  test.each([
    [{ kind: "rate-limit" }, 429, "rate_limit_exceeded"],
    [{ kind: "unavailable" }, 412, "resource_unavailable"],
    [{ kind: "error", status: 503, code: "unavailable" }, 503, "unavailable"],
  ])("%j refuses once and changes nothing", async (fields, status, code) => {
    await fault({ match: "POST /v1/ssh_keys", ...fields });
    expect(await cloud.call("POST", "/ssh_keys", key)).toMatchObject({ status, body: { error: { code } } });
    expect((await cloud.call("POST", "/ssh_keys", key)).status).toBe(201);
  });

  test("drop-after-commit does the work and sends no response", async () => {
    await fault({ match: "POST /v1/ssh_keys", kind: "drop-after-commit" });
    await expect(cloud.call("POST", "/ssh_keys", key)).rejects.toThrow();
    expect((await cloud.call("GET", "/ssh_keys")).body.ssh_keys).toHaveLength(1);
  });

  test("late-failure fails the action", async () => {
    await fault({
      match: "POST /v1/servers",
      kind: "late-failure",
      code: "placement_error",
      message: "no room",
    });
    const { body } = await cloud.call("POST", "/servers", {
      name: "web-1",
      server_type: "cx23",
      image: "debian-12",
    });
    expect(await cloud.settle(body.action)).toMatchObject({
      status: "error",
      error: { code: "placement_error", message: "no room" },
    });
    expect(cloud.machines.specs.size).toBe(0);
  });
});

test.each([
  ["a", { a: "1" }, true],
  ["!a", { a: "1" }, false],
  ["a=1,b", { a: "1", b: "" }, true],
  ["a==1", { a: "2" }, false],
  ["a!=1", {}, true],
  ["a in (1, 2),!b", { a: "2" }, true],
  ["a notin (1,2)", { a: "2" }, false],
])("selector %s on %j", (selector, labels, holds) => {
  expect(parseSelector(selector)(labels as Record<string, string>)).toBe(holds);
});
