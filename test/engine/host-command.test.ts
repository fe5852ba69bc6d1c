import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { onceEach, withReasons, withRemoval } from "../../components/host/command.ts";

/** Runs it as `@pulumi/command` does. */
function run(command: string, input = "") {
  const line = withReasons(command, "main (203.0.113.10, port 22)", 130);
  return spawnSync("/bin/sh", ["-c", `${line} <<'BERTH_END'\n${input}BERTH_END\n`], { encoding: "utf8" });
}

test("a broken connection and a passed deadline, for which ssh has only exit codes, are reported with a message", () => {
  const broken = run("(exit 255)");
  expect(broken.status).toBe(255);
  expect(broken.stderr).toContain("no connection to main (203.0.113.10, port 22), or it broke");
  const late = run("(exit 124)");
  expect(late.status).toBe(124);
  expect(late.stderr).toContain("not done on main (203.0.113.10, port 22) after 130 seconds");
});

test("a script's error output and exit code are passed on, and a success prints nothing", () => {
  const failed = run("sh -s", "echo why >&2\nexit 3\n");
  expect([failed.status, failed.stderr]).toEqual([3, "why\n"]);
  const done = run("sh -s", "echo done\n");
  expect([done.status, done.stdout, done.stderr]).toEqual([0, "done\n", ""]);
});

test("a removal reads only its own script, however long it is", () => {
  const own = `${"# own\n".repeat(15_000)}echo removed\n`;
  const shell = (command: string) =>
    spawnSync("/bin/sh", ["-c", `${withRemoval(own)}cat`, command], {
      input: "echo made\n",
      encoding: "utf8",
    });
  expect(shell("removal of app-probe on main").stdout).toBe(own);
  expect(shell("app-probe on main").stdout).toBe("echo made\n");
});

test("an input that a machine already has is not sent again, whatever its address now", () => {
  const shell = (options: { input: string; previous?: string; address?: string; command?: string }) => {
    const { input, previous = "", address = "203.0.113.10", command = "sh -s" } = options;
    const program = onceEach(command, address);
    return spawnSync("/bin/sh", ["-c", program, "app-probe on main"], {
      input,
      encoding: "utf8",
      env: { ...process.env, PULUMI_COMMAND_STDOUT: previous },
    });
  };
  const first = shell({ input: "echo sent >&2\n" });
  expect([first.status, first.stderr]).toEqual([0, "sent\n"]);
  // It does not contain the input itself.
  expect(first.stdout).toMatch(/^done [0-9a-f]{64}\n$/);
  const previous = first.stdout.trim();
  const again = shell({ input: "echo sent >&2\n", previous, command: "false" });
  expect([again.status, again.stderr, again.stdout.trim()]).toEqual([0, "", previous]);
  expect(shell({ input: "echo other >&2\n", previous }).stderr).toBe("other\n");
  expect(shell({ input: "echo sent >&2\n", previous, address: "203.0.113.11" }).stderr).toBe("sent\n");
  const failed = shell({ input: "echo said; echo why >&2; exit 3\n" });
  expect([failed.status, failed.stdout, failed.stderr]).toEqual([3, "said\n", "why\n"]);
});
