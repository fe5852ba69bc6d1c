import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { commandPackage } from "../../lab/pulumi/providers/command/index.ts";
import { type Properties, unknownValue } from "../../lab/pulumi/providers/provider.ts";
import type { CancellableProvider } from "../../lab/pulumi/providers/serve.ts";

const ref = { urn: "urn", type: "command:local:Command", name: "greet" };
const provider = commandPackage.create() as CancellableProvider;
const directory = mkdtempSync(join(tmpdir(), "berth-command-"));
afterAll(() => rmSync(directory, { recursive: true }));
const check = (news: Parameters<typeof provider.check>[1]) =>
  provider.check(ref, news, undefined, Buffer.alloc(8));

async function within<T>(seconds: number, condition: () => T | undefined | false): Promise<T> {
  const until = Date.now() + seconds * 1000;
  while (Date.now() < until) {
    const value = condition();
    if (value) return value;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`not so within ${seconds} s`);
}

/** A zombie process counts as ended. */
const alive = (pid: number) => {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
};

describe("command:local:Command", () => {
  test("accepts the real one's inputs, and refuses others by name", async () => {
    const good: Properties = {
      create: "true",
      triggers: [1, unknownValue],
      environment: { A: unknownValue },
      stdin: "x",
    };
    expect(await check(good)).toEqual({ inputs: good, failures: [] });
    const bad = await check({ creat: "x", assetPaths: ["*"], logging: "loud", dir: 3 });
    expect(bad.failures).toEqual([
      {
        property: "creat",
        reason:
          '"creat" is not an input of command:local:Command; use one of: addPreviousOutputInEnv, archivePaths, assetPaths, ' +
          "create, delete, dir, environment, interpreter, logging, stdin, triggers, update",
      },
      {
        property: "assetPaths",
        reason: "is not supported by the lab: the program takes a command's results from its standard output",
      },
      {
        property: "logging",
        reason: 'must be one of stdout, stderr, stdoutAndStderr, none, not "loud"',
      },
      { property: "dir", reason: "must be a string, not a number" },
    ]);
  });

  test("replaces on triggers, updates on anything else", async () => {
    const olds = { create: "a", triggers: ["1"], stdin: "x" };
    const diff = (news: typeof olds) => provider.diff(ref, "id", olds, { stdout: "" }, news);
    expect(await diff(olds)).toEqual({ changes: [], replaces: [] });
    expect(await diff({ ...olds, stdin: "y" })).toEqual({ changes: ["stdin"], replaces: [] });
    expect(await diff({ ...olds, triggers: ["2"] })).toEqual({
      changes: ["triggers"],
      replaces: ["triggers"],
    });
  });

  test("passes input, environment and directory to the command, and records its output", async () => {
    const inputs = {
      create: 'cat; pwd; printf "%s\\n" "$COLOUR" >&2',
      stdin: "from stdin\n",
      environment: { COLOUR: "red" },
      dir: directory,
    };
    const { id, outputs } = await provider.create(ref, inputs, 10);
    expect(id).toMatch(/^greet[0-9a-f]{8}$/);
    expect(outputs).toEqual({ ...inputs, stdout: `from stdin\n${directory}`, stderr: "red" });
  });

  test("update runs `update`, otherwise `create` again, with the previous output in its environment", async () => {
    const before = { stdout: "one", stderr: "two" };
    const update = (news: Parameters<typeof provider.update>[4]) =>
      provider.update(ref, "id", {}, before, news, 10);
    const show = 'echo "$PULUMI_COMMAND_STDOUT/$PULUMI_COMMAND_STDERR"';
    expect(await update({ create: "false", update: show })).toMatchObject({ stdout: "one/two" });
    expect(await update({ create: show })).toMatchObject({ stdout: "one/two" });
    expect(await update({ create: show, addPreviousOutputInEnv: false })).toMatchObject({ stdout: "/" });
    expect(await update({ delete: "true" })).toMatchObject(before);
  });

  test("delete runs `delete` of the state", async () => {
    const outputs = { delete: "printf %s $PULUMI_COMMAND_STDOUT > gone", dir: directory, stdout: "bye" };
    await provider.delete(ref, "id", {}, outputs, 10);
    expect(readFileSync(join(directory, "gone"), "utf8")).toBe("bye");
    await provider.delete(ref, "id", {}, { create: "false" }, 10);
  });

  test.each([
    [{ create: 'echo "in"; echo "out" >&2; exit 3' }, 'exit status 3: running "echo \\"in\\"; echo'],
    [{ create: "kill -KILL $$" }, 'signal: SIGKILL: running "kill -KILL $$":\n'],
    [{ create: "true", interpreter: ["/no/such"] }, "fork/exec /no/such: no such file or directory: running"],
    [{ create: "true", dir: "/no/such" }, 'chdir /no/such: no such file or directory: running "true"'],
  ])("fails as the real one does: %o", async (inputs, message) => {
    await expect(provider.create(ref, inputs, 10)).rejects.toThrow(message);
  });

  test("a failure contains the whole output, in order", async () => {
    const create = "echo a; sleep 0.05; echo b >&2; exit 1";
    await expect(provider.create(ref, { create }, 10)).rejects.toThrow(
      `exit status 1: running ${JSON.stringify(create)}:\na\nb\n`,
    );
  });

  test("the deadline ends the whole process group", async () => {
    const create = `sleep 60 & echo $! > ${directory}/child; wait`;
    await expect(provider.create(ref, { create }, 0.3)).rejects.toThrow(
      "no end within 0.3 s, so its process group was ended: running",
    );
    const child = Number(readFileSync(join(directory, "child"), "utf8"));
    await within(2, () => !alive(child));
  });

  test("cancelling ends running commands", async () => {
    const run = provider.create(ref, { create: "echo begun; sleep 60" }, 30);
    const failed = expect(run).rejects.toThrow("signal: SIGTERM");
    await new Promise((resolve) => setTimeout(resolve, 100));
    await provider.cancel();
    await failed;
  });

  test("a killed engine leaves no command running", async () => {
    const runner = new URL("../../lab/pulumi/providers/command/run.ts", import.meta.url);
    const program = `import { CommandRunner } from "${runner}";
      await new CommandRunner().run({ command: "echo $$ > pid; exec sleep 60", interpreter: [], directory: ".",
        environment: process.env, stdin: undefined, timeoutSeconds: 60 });`;
    const engine = spawn(process.execPath, ["--input-type=module", "-e", program], { cwd: directory });
    const pid = await within(20, () => {
      try {
        // The shell makes the file before it writes to it.
        return Number(readFileSync(join(directory, "pid"), "utf8")) || undefined;
      } catch {
        return undefined;
      }
    });
    expect(alive(pid)).toBe(true);
    engine.kill("SIGKILL");
    await within(20, () => !alive(pid));
  });
});

describe("the rest of the package", () => {
  test("command:local:run", async () => {
    const outputs = await provider.invoke("command:local:run", { command: "echo hello" });
    expect(outputs).toEqual({ command: "echo hello", stdout: "hello", stderr: "" });
    await expect(provider.invoke("command:local:run", {})).rejects.toThrow(
      'missing required property "command" of command:local:run',
    );
  });

  test("remote commands are refused by name", async () => {
    const remote = { ...ref, type: "command:remote:Command" };
    await expect(provider.check(remote, {}, undefined, Buffer.alloc(8))).rejects.toThrow(
      "command:remote:Command is not supported by the lab; its providers have: command:local:Command, command:local:run",
    );
  });
});
