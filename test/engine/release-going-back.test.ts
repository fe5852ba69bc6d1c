import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  beforeEachNewHost,
  type Command,
  command,
  folder,
  goBack,
  records,
  release,
  service,
  state,
  tasks,
} from "./release-host.ts";

beforeEachNewHost();

describe("after going back", () => {
  const rotated = (more: Partial<Command> = {}) => {
    writeFileSync(join(folder, "slots", "app-3"), "true");
    const parts = { version: "v2", slot: "app-3", keep: 10, ...more };
    const probed = command({ step: "probe", ...parts });
    return probed.status === 0 ? command({ step: "switch", ...parts }) : probed;
  };

  test("a new slot of the abandoned version is refused before it is probed, and stops", () => {
    release("v1", "app-1", 10);
    release("v2", "app-2", 10);
    goBack("app-2", "app-1");
    const refused = rotated({ body: "echo probed" });
    expect(refused).toMatchObject({ status: 1, stdout: "" });
    expect(refused.stderr).toContain("has gone back from app-3 (v2) to app-1 (v1)");
    expect(refused.stderr).toContain(
      `npx pulumi config set --path unit:${service.replace("unit_", "")}.releaseAgain v2`,
    );
    expect([tasks("app-1"), tasks("app-3")]).toEqual([1, 0]);
    expect(state()).toMatchObject({ active_slot: "app-1", outcome: "back" });
  });

  test("it is released again when the configuration acknowledges it; another version always is", () => {
    release("v1", "app-1", 10);
    release("v2", "app-2", 10);
    goBack("app-2", "app-1");
    expect(rotated({ accepted: true }).status).toBe(0);
    expect(state()).toMatchObject({ active_slot: "app-3", outcome: "success", version: "v2" });
    goBack("app-3", "app-1");
    expect(release("v3", "app-4").status).toBe(0);
    expect(state()).toMatchObject({ active_slot: "app-4", outcome: "success" });
  });

  test("a slot of the same image with another secret is not refused", () => {
    release("v2", "app-1", 10);
    release("v2", "app-2", 10);
    goBack("app-2", "app-1");
    expect(rotated().status).toBe(0);
    expect(state()).toMatchObject({ active_slot: "app-3" });
  });

  test("the current routes are used, not those of the slot's release", () => {
    const body = 'echo "$ROUTES" >>"$RELEASE_RECORDS/routes"';
    const routed = (version: string, slot: string, routes: string) =>
      command({ step: "switch", version, slot, keep: 10, body, routes });
    for (const slot of ["app-1", "app-2"]) writeFileSync(join(folder, "slots", slot), "true");
    routed("v1", "app-1", "app-1 open to all");
    routed("v2", "app-2", "app-2 open to all");
    // No release: the routes alone are narrowed.
    routed("v2", "app-2", "app-2 for the office");
    expect(goBack("app-2", "app-1").status).toBe(0);
    expect(readFileSync(join(records(), "routes"), "utf8").trim().split("\n").at(-1)).toBe(
      "app-1 for the office",
    );
  });
});
