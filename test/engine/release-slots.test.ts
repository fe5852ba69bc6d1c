import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { shellQuote } from "../../components/host/connection.ts";
import { backScript } from "../../ops/back.ts";
import {
  bash,
  beforeEachNewHost,
  command,
  folder,
  goBack,
  history,
  records,
  release,
  script,
  service,
  state,
  tasks,
} from "./release-host.ts";

beforeEachNewHost();

const slots = () => readdirSync(join(folder, "slots")).toSorted();

describe("the previous slot", () => {
  test("is kept for its time if configured; slots that never served are deleted at once, and those of Pulumi by Pulumi", () => {
    release("v1", "app-1", 10);
    // A release that failed, and one of before the option was set.
    writeFileSync(join(folder, "slots", "app-failed"), "true");
    writeFileSync(join(folder, "slots", "app-of-pulumi"), "");
    const before = Date.now();
    release("v2", "app-2", 10);
    expect(state()).toMatchObject({ active_slot: "app-2", previous_slot: "app-1" });
    const until = Date.parse(String(state().previous_slot_until));
    expect(until - before).toBeGreaterThan(595_000);
    expect(until - before).toBeLessThan(615_000);
    const calls = readFileSync(join(folder, "calls"), "utf8").trim().split("\n");
    expect(calls).toEqual(expect.arrayContaining(["service rm app-failed", "secret rm jwt-of-app-failed"]));
    expect(slots()).toEqual(expect.arrayContaining(["app-1", "app-2", "app-of-pulumi"]));
  });

  test("is deleted with the release when none is kept", () => {
    release("v1", "app-1", 10);
    release("v2", "app-2", 0);
    expect(state()).toMatchObject({ previous_slot: "app-1", previous_slot_until: null });
    expect(slots()).toEqual(["app-2"]);
  });

  test("is deleted when its time is over, and not before", () => {
    release("v1", "app-1", 10);
    release("v2", "app-2", 10);
    const expire = () => bash(`${script("release/scripts/slots.sh")}\nslots_expire ${shellQuote(records())}`);
    expect(expire()).toMatchObject({ status: 0, stdout: "" });
    expect(slots()).toEqual(["app-1", "app-2"]);
    const over = { ...state(), previous_slot_until: "2020-01-01T00:00:00Z" };
    writeFileSync(join(records(), `${service}.json`), JSON.stringify(over));
    expect(expire().stdout).toContain("removed the slot app-1");
    expect(slots()).toEqual(["app-2"]);
    expect(state()).toMatchObject({ previous_slot: "app-1", previous_slot_until: null });
    expect(expire()).toMatchObject({ status: 0, stdout: "" });
  });

  test("serves again by its own switch; the next release deletes both", () => {
    release("v1", "app-1", 10);
    release("v2", "app-2", 10);
    expect(goBack("app-2", "app-1")).toMatchObject({ status: 0, stderr: "" });
    expect(state()).toMatchObject({
      active_slot: "app-1",
      previous_slot: "app-2",
      previous_slot_until: null,
      version: "v1",
      outcome: "back",
    });
    expect(history().map(({ version, outcome }) => [version, outcome])).toEqual([
      ["v1", "success"],
      ["v2", "success"],
      ["v1", "back"],
    ]);
    expect(slots()).toEqual(["app-1", "app-2"]);

    // A run that has something else to do (a route) does not send the requests to v2 again.
    const refused = command({ step: "switch", version: "v2", slot: "app-2", keep: 10 });
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain("has gone back from app-2 (v2) to app-1 (v1)");
    expect(state()).toMatchObject({ active_slot: "app-1", outcome: "back" });

    release("v1", "app-3", 10);
    expect(state()).toMatchObject({ active_slot: "app-3", outcome: "success", previous_slot_until: null });
    expect(slots()).toEqual(["app-3"]);
  });

  test("in use after going back is kept when another version follows", () => {
    release("v1", "app-1", 10);
    release("v2", "app-2", 10);
    expect(goBack("app-2", "app-1").status).toBe(0);
    release("v3", "app-3", 10);
    expect(state()).toMatchObject({ active_slot: "app-3", previous_slot: "app-1" });
    expect(slots()).toEqual(["app-1", "app-3"]);
  });
});

describe("a slot that does not serve", () => {
  test("stops when the switch has replaced it, whether Pulumi deletes it or it is kept for going back", () => {
    release("v1", "app-1");
    release("v2", "app-2");
    expect([tasks("app-1"), tasks("app-2")]).toEqual([0, 1]);
    release("v3", "app-3", 10);
    expect([tasks("app-2"), tasks("app-3")]).toEqual([0, 1]);
    release("v4", "app-4", 10);
    expect(slots()).toContain("app-3");
    expect([tasks("app-3"), tasks("app-4")]).toEqual([0, 1]);
  });

  test("stops when its probe has failed, after the probe's output; the serving one never stops", () => {
    release("v1", "app-1");
    writeFileSync(join(folder, "slots", "app-2"), "");
    const body = 'docker ps --quiet >/dev/null\necho "it says why" >&2\nexit 1';
    expect(command({ step: "probe", version: "v2", slot: "app-2", body }).stderr).toBe("it says why\n");
    expect([tasks("app-1"), tasks("app-2")]).toEqual([1, 0]);
    expect(command({ step: "probe", slot: "app-1", version: "v1", body: "exit 1" }).status).toBe(1);
    expect(tasks("app-1")).toBe(1);
  });

  test("starts again for going back, with as many tasks as the serving one, which then stops", () => {
    release("v1", "app-1", 10);
    release("v2", "app-2", 10);
    mkdirSync(join(folder, "tasks"), { recursive: true });
    writeFileSync(join(folder, "tasks", "app-2"), "3\n");
    process.env.HEALTHY_TASKS = "3";
    try {
      expect(goBack("app-2", "app-1")).toMatchObject({ status: 0, stderr: "" });
    } finally {
      delete process.env.HEALTHY_TASKS;
    }
    expect([tasks("app-1"), tasks("app-2")]).toEqual([3, 0]);
    expect(state()).toMatchObject({ active_slot: "app-1", version: "v1", outcome: "back" });
  });

  test("that does not become healthy is not used for going back, and stops again", () => {
    release("v1", "app-1", 10);
    release("v2", "app-2", 10);
    process.env.HEALTHY_TASKS = "0";
    try {
      const text = backScript(service, "app-2", "app-1")
        .replaceAll("/var/lib/berth/deployments", records())
        .replace(/START_SECONDS='\d+'/, "START_SECONDS=0");
      expect(bash(text).stdout).toContain(
        "missing: has 0 of 1 healthy tasks after 0 s: Running no such image",
      );
    } finally {
      delete process.env.HEALTHY_TASKS;
    }
    expect([tasks("app-1"), tasks("app-2")]).toEqual([0, 1]);
    expect(state()).toMatchObject({ active_slot: "app-2" });
  });
});
