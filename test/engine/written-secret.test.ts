import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readWritten } from "../../components/secrets/written-secret.ts";
import { beforeEachNewHost, folder, job, release, run } from "./migration-host.ts";

/** What a step of a service's migrations writes for another service. */

beforeEachNewHost();

const kept = () => join(folder, "written/unit_app");
const setup = (command: string, more: Record<string, string> = {}) =>
  run(
    release("migrate"),
    [
      {
        ...{ kind: "command", name: "setup", commands: { up: ["setup", command] }, job: job("app:2") },
        writes: { files: ["login.token"], from: "/berth/written", to: kept() },
      },
    ],
    more,
  );
const read = (file: string) =>
  spawnSync("/bin/sh", ["-c", readWritten(kept(), "unit_app", file)], {
    encoding: "utf8",
    env: { ...process.env, PATH: `${join(folder, "bin")}:${process.env.PATH}` },
  });

describe("a file that a step writes", () => {
  test("is kept from the real run, not from the rehearsal, for root alone", () => {
    expect(setup("once")).toMatchObject({ status: 0, stderr: "" });
    const file = join(kept(), "login.token");
    expect(readFileSync(file, "utf8")).toBe("token of app\n");
    expect((statSync(file).mode & 0o777).toString(8)).toBe("600");
    expect((statSync(join(folder, "written")).mode & 0o777).toString(8)).toBe("700");
    expect(existsSync(`${kept()}.new`)).toBe(false);
    expect(read("login.token").stdout).toBe("token of app\n");
  });

  test("stays when the step has nothing more to write", () => {
    expect(setup("once").status).toBe(0);
    expect(setup("once", { REHEARSE: "no" })).toMatchObject({ status: 0, stderr: "" });
    expect(read("login.token").stdout).toBe("token of app\n");
  });

  test("that is not written fails the release in its rehearsal", () => {
    const { status, stderr } = setup("nothing");
    expect(status).toBe(1);
    expect(stderr).toContain(
      "It ended, but wrote no login.token to /berth/written, which another service is given.",
    );
    expect(stderr).toContain("rehearsed on a copy of the database and failed there (setup)");
    const missing = read("login.token");
    expect([missing.status, missing.stdout]).toEqual([1, ""]);
    expect(missing.stderr).toBe(
      `no migration of unit_app has written login.token: ${kept()} does not have it. Deploy unit_app first\n`,
    );
  });
});
