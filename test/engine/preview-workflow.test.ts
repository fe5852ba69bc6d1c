import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { execa } from "execa";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { read, type Step } from "./workflow-files.ts";

describe("preview of a pull request", () => {
  interface Job {
    readonly if?: string;
    readonly needs?: string;
    readonly permissions?: unknown;
    readonly env?: Record<string, string>;
    readonly steps: readonly Step[];
  }
  const { on, permissions, jobs } = parse(read("preview")) as {
    on: object;
    permissions: unknown;
    jobs: { check: Job; preview: Job };
  };
  const step = jobs.preview.steps.find(({ name }) => name === "Preview");

  test("a fork's is checked, without a secret and without a right to write", () => {
    expect(Object.keys(on)).toEqual(["pull_request"]);
    expect(permissions).toEqual({ contents: "read" });
    expect(JSON.stringify(jobs.check)).not.toContain("secrets.");
    expect(jobs.check).not.toHaveProperty("permissions");
    expect(jobs.preview).toMatchObject({
      if: "github.event.pull_request.head.repo.full_name == github.repository",
      needs: "check",
      permissions: { contents: "read", "pull-requests": "write" },
    });
  });

  test.each([
    [
      "changes something",
      "echo '+ docker:index:Service togather_app'",
      0,
      "+ docker:index:Service togather_app",
    ],
    ["is refused", "echo 'togather:jwtSecret: missing' >&2; exit 255", 255, "togather:jwtSecret: missing"],
  ])("one that %s is in the comment, and its result is the check's", async (_what, pulumi, status, said) => {
    const folder = mkdtempSync(join(tmpdir(), "berth-preview-"));
    try {
      for (const [name, script] of [
        ["pulumi", pulumi],
        ["gh", `echo "$*" > ${folder}/said`],
      ] as const)
        writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
      const { exitCode } = await execa("bash", ["-e", "-c", step?.run ?? "exit 9"], {
        cwd: folder,
        reject: false,
        env: { STACK: "production", PULL_REQUEST: "7", PATH: `${folder}${delimiter}${process.env.PATH}` },
      });
      expect(exitCode).toBe(status);
      expect(readFileSync(join(folder, "said"), "utf8")).toBe(
        "pr comment 7 --edit-last --create-if-none --body-file comment.md\n",
      );
      expect(readFileSync(join(folder, "comment.md"), "utf8")).toContain(said);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
