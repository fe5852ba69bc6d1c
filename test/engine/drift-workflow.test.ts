import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { execa } from "execa";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { read, type Step } from "./workflow-files.ts";

describe("the nightly check for drift", () => {
  const { on, permissions, concurrency, jobs } = parse(read("drift")) as {
    on: { schedule: { cron: string }[] };
    permissions: unknown;
    concurrency: { group: string };
    jobs: { drift: { "timeout-minutes": number; steps: readonly Step[] } };
  };
  const { steps } = jobs.drift;
  const step = (name: string) => steps.find((each) => each.name === name);

  test("comes once a day, writes issues alone, and ends before open SSH access is forgotten", () => {
    expect(on.schedule).toHaveLength(1);
    expect(on.schedule[0]?.cron).toMatch(/^\d+ \d+ \* \* \*$/);
    expect(permissions).toEqual({ contents: "read", issues: "write" });
    // Not a deploy's: of those that wait in one group, GitHub keeps the last alone.
    expect(concurrency.group).not.toBe("deploy-production");
    expect(jobs.drift["timeout-minutes"]).toBeLessThan(60);
  });

  test("closes what it opens, always, and deploys nothing", () => {
    const names = steps.map(({ name }) => name);
    expect(names.slice(-3)).toEqual(["Open SSH for this runner", "Check", "Close SSH"]);
    expect(step("Close SSH")?.if).toBe("always()");
    expect(read("drift")).not.toMatch(/pulumi (up|refresh|destroy)|--forget/);
    for (const { run } of steps) expect(run ?? "").not.toContain("${{");
  });

  const check = async (code: number, open: string) => {
    const folder = mkdtempSync(join(tmpdir(), "berth-drift-"));
    try {
      for (const [name, script] of [
        ["npm", `echo "$*" >>${folder}/asked; echo 'update Firewall main-firewall'; exit ${code}`],
        ["gh", `echo "$*" >>${folder}/said; case "$2" in list) echo '${open}' ;; esac`],
      ] as const)
        writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
      const { exitCode, stdout } = await execa("bash", ["-e", "-c", step("Check")?.run ?? "exit 9"], {
        cwd: folder,
        reject: false,
        env: { STACK: "production", PATH: `${folder}${delimiter}${process.env.PATH}` },
      });
      const text = (name: string) =>
        existsSync(join(folder, name)) ? readFileSync(join(folder, name), "utf8").trim().split("\n") : [];
      return { exitCode, stdout, asked: text("asked"), said: text("said"), comment: text("comment.md") };
    } finally {
      rmSync(folder, { recursive: true });
    }
  };

  test("says nothing when nothing differs", async () => {
    const { exitCode, asked, said } = await check(0, "");
    expect(exitCode).toBe(0);
    expect(asked).toEqual(["run --silent ops -- drift --stack production"]);
    expect(said).toEqual([]);
  });

  test.each([
    ["opens an issue", "", "issue create --title Drift of production --body-file comment.md"],
    ["adds to the open one", "12", "issue comment 12 --body-file comment.md"],
  ])("%s with what differs, and fails", async (_what, open, expected) => {
    const { exitCode, stdout, said, comment } = await check(1, open);
    expect(exitCode).toBe(1);
    expect(said.at(-1)).toBe(expected);
    expect(comment).toContain("update Firewall main-firewall");
    expect(stdout).toContain("update Firewall main-firewall");
  });
});
