import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { deploy, position, read, recording, root, text, workflow } from "./workflow-files.ts";

const scripts = deploy.steps.flatMap(({ run }) => run ?? []);

/** Every simple command of the steps: what stands in `$(…)` is one too. */
const commands = scripts
  .flatMap((script) => script.split("\n"))
  .flatMap((line) => line.split(/\|\||&&/))
  .flatMap((line) => {
    const [, inner] = /\$\((.*)\)/.exec(line) ?? [];
    return inner === undefined ? [line] : [inner];
  })
  .map((line) => line.trim())
  // Assignments and what is the shell's own.
  .filter((line) => line !== "" && !/^([A-Z]+\+?=\S*$|\[\[ )/.test(line));

describe("deploy on tag", () => {
  test("a tag starts it, one run at a time, shorter than access stays open", () => {
    expect(workflow.on).toEqual({ push: { tags: ["*/v*", "*/*/v*"] } });
    expect(workflow.concurrency).toMatchObject({ group: "deploy-production", "cancel-in-progress": false });
    expect(deploy["timeout-minutes"]).toBeLessThan(60);
  });

  test("third-party actions are pinned by commit, with the version in a comment", () => {
    const used = ["deploy", "preview", "image", "drift"].flatMap((name) =>
      read(name)
        .split("\n")
        .filter((line) => /^ *- uses:|^ +uses: (?!owner)/.test(line)),
    );
    expect(used).toHaveLength(13);
    for (const line of used) expect(line).toMatch(/uses: [\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
  });

  test("the command line is of the version that npx pulumi launches", () => {
    const { dependencies } = JSON.parse(readFileSync(new URL("package.json", root), "utf8")) as {
      dependencies: Record<string, string>;
    };
    const install = deploy.steps[position("Install Pulumi")] as { with?: Record<string, string> };
    expect(install.with).toEqual({ "pulumi-version": dependencies.pulumi });
  });

  test("every command exists and accepts its options", () => {
    const { scripts: npm } = JSON.parse(readFileSync(new URL("package.json", root), "utf8")) as {
      scripts: Record<string, string>;
    };
    const options: Readonly<Record<string, string>> = {
      "pulumi config get": "--path --stack",
      "pulumi up": "--stack --yes --continue-on-error",
    };
    const foreign = /^(curl -4|docker buildx imagetools inspect|git config|install -m) /;
    for (const command of commands) {
      if (foreign.test(command) || command === "npm ci") continue;
      const pulumi = Object.keys(options).find((known) => command.startsWith(`${known} `));
      const [, script, name = ""] = /^npm run (\S+)(?: -- (\S+))?/.exec(command) ?? [];
      let allowed = pulumi === undefined ? "" : (options[pulumi] ?? "");
      if (pulumi === undefined) {
        expect(Object.keys(npm), command).toContain(script);
        if (script === "ops") {
          allowed = spawnSync(process.execPath, ["ops/cli.ts", name, "--help"], {
            cwd: root,
            encoding: "utf8",
          }).stdout;
          expect(allowed, command).toContain(`npm run ops -- ${name}`);
        }
      }
      for (const flag of command.match(/ --[a-z-]+/g) ?? []) {
        if (flag !== " --") expect(allowed, command).toContain(flag.trim());
      }
    }
    expect(commands).toEqual(expect.arrayContaining(["npm ci", "npm run check", "npm run test:unit"]));
  });

  test("it deploys the default branch, with the version of the tag", () => {
    const checkout = deploy.steps[0] as { with?: Record<string, unknown> };
    expect(checkout.with?.ref).toMatch(/^\$\{\{ github\.event\.repository\.default_branch }}$/);
  });

  test("it checks, previews, opens, deploys and closes, in this order, and always closes", () => {
    const order = [
      "Check",
      "Test",
      "Log in to the registries",
      recording,
      "Open SSH for this runner",
      "Deploy",
      "Save the state",
      "Close SSH",
    ].map(position);
    expect(order).not.toContain(-1);
    expect(order).toEqual(order.toSorted((a, b) => a - b));
    expect(deploy.steps[position("Close SSH")]).toMatchObject({ if: "always()" });
    expect(position("Close SSH")).toBe(position("Deploy") + 2);
    // A deploy that failed has changed the state too; one that never began has not.
    expect(deploy.steps[position("Save the state")]?.if).toContain(
      "!cancelled() && steps.deploy.outcome != 'skipped'",
    );
    for (const step of deploy.steps)
      if (!["Save the state", "Close SSH"].includes(step.name ?? "")) expect(step.if).toBeUndefined();
  });

  test("no command contains a secret or external input: they are passed as variables", () => {
    for (const script of scripts) expect(script).not.toContain("${{");
    const names = [...text.matchAll(/^ *(\w+): \$\{\{ secrets\.\w+ \}\}$/gm)].map(([, name]) => name);
    expect(names).toHaveLength([...text.matchAll(/secrets\./g)].length);
    // What a shell expands in a command would be an argument; a here-string is none.
    for (const name of names) {
      for (const use of text.matchAll(new RegExp(`.*\\$\\{?${name}\\b.*`, "g"))) {
        expect(use[0]).toMatch(new RegExp(`<<<"\\$${name}"$`));
      }
    }
  });
});
