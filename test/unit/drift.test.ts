import { describe, expect, test } from "vitest";
import { resources } from "../../ops/deployment.ts";
import { compareFiles, forgetCommands, renderDrift, resourceDrift } from "../../ops/drift.ts";
import { deployment, resource } from "./ops-fixtures.ts";

const canary = "canary-5a0d1c77e9";
const urn = (type: string, name: string) => `urn:pulumi:production::berth::${type}::${name}`;
const server = urn("hcloud:index/server:Server", "main");
const sum = (digit: string) => digit.repeat(64);

describe("what Pulumi would do about what exists", () => {
  const step = (more: object) => ({ op: "update", urn: server, diffReasons: ["labels"], ...more });
  const drift = (steps: object[], open: number[] = []) => resourceDrift(JSON.stringify({ steps }), open);

  test("is named by resource and property, never by a value", () => {
    const slot = urn("berth:index:System$docker:index/service:Service", "togather_app");
    const found = drift([
      step({ op: "same", diffReasons: null }),
      step({
        op: "replace",
        urn: slot,
        diffReasons: ["taskSpec"],
        oldState: { inputs: { env: canary }, outputs: { env: canary } },
        newState: { inputs: { env: canary } },
      }),
      step({ op: "create", urn: urn("hcloud:index/zoneRrset:ZoneRrset", "a"), diffReasons: undefined }),
    ]);
    expect(found).toEqual([
      { op: "replace", urn: slot, properties: ["taskSpec"] },
      { op: "create", urn: urn("hcloud:index/zoneRrset:ZoneRrset", "a"), properties: [] },
    ]);
    const said = renderDrift(found, []);
    expect(said).toContain("docker:index/service:Service togather_app");
    expect(said + JSON.stringify(found)).not.toContain(canary);
    expect(() => resourceDrift('{"diagnostics":[]}', [])).toThrow("steps");
  });

  const firewalls = (found: number[], own: number[], diffReasons = ["firewallIds"]) =>
    step({
      diffReasons,
      oldState: { outputs: { firewallIds: found } },
      newState: { inputs: { firewallIds: own } },
    });

  test("leaves out the firewall of ssh-open, which the check itself may need", () => {
    expect(drift([firewalls([1, 9], [1])], [9])).toEqual([]);
    expect(drift([firewalls([1, 9], [1], ["firewallIds", "labels"])], [9])).toHaveLength(1);
  });

  test.each([
    ["its own firewall is gone", [9], [1], [9]],
    ["another firewall is there", [1, 5], [1], []],
    ["another one is there beside that of ssh-open", [1, 5, 9], [1], [9]],
  ])("a server is named when %s", (_what, found, own, open) => {
    expect(drift([firewalls(found, own)], open)).toEqual([
      { op: "update", urn: server, properties: ["firewallIds"] },
    ]);
  });
});

describe("files of a host", () => {
  const listed = (now: string[]) =>
    [
      "command main-edge-configuration",
      "# /edge/nginx.conf",
      "# /edge/sites",
      `640 ${sum("a")}  /edge/nginx.conf`,
      `640 ${sum("b")}  /edge/sites/a.example.conf`,
      "now",
      ...now,
      "command main-settings",
      "# /etc/docker/daemon.json",
      `644 ${sum("c")}  /etc/docker/daemon.json`,
      "now",
      `644 ${sum("c")}  /etc/docker/daemon.json`,
      "",
    ].join("\n");
  const found = (...now: string[]) =>
    compareFiles("main", listed(now)).map(({ path, what }) => `${path} is ${what}`);

  test("are as they were written", () => {
    expect(found(`640 ${sum("a")}  /edge/nginx.conf`, `640 ${sum("b")}  /edge/sites/a.example.conf`)).toEqual(
      [],
    );
    expect(compareFiles("main", "")).toEqual([]);
  });

  test("are named when they are changed, gone, of another mode, or not Berth's", () => {
    expect(
      found(
        `640 ${sum("d")}  /edge/nginx.conf`,
        `644 ${sum("b")}  /edge/sites/a.example.conf`,
        `640 ${sum("e")}  /edge/sites/by-hand.conf`,
      ),
    ).toEqual([
      "/edge/nginx.conf is changed",
      "/edge/sites/a.example.conf is changed",
      "/edge/sites/by-hand.conf is not Berth's",
    ]);
    expect(found()).toEqual(["/edge/nginx.conf is gone", "/edge/sites/a.example.conf is gone"]);
  });

  test("are written again by the next up, once the state no longer says that they were: these and no others", () => {
    const command = (name: string) =>
      resource("command:local:Command", name, {
        inputs: { create: name, stdin: "script" },
        outputs: { stdin: "script", stdout: "done 1" },
      });
    const before = deployment([command("main-edge-configuration"), command("main-settings")]);
    const drift = compareFiles("main", listed([]));
    const after = forgetCommands(before, drift);
    expect(resources(after).at(-2)).toMatchObject({
      inputs: { create: "main-edge-configuration", stdin: "" },
      outputs: { stdin: "", stdout: "" },
    });
    expect(resources(after).at(-1)).toEqual(resources(before).at(-1));
    expect(after.deployment.manifest).toEqual(before.deployment.manifest);
  });
});
