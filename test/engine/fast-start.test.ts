import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { describe, expect, test } from "vitest";

/** What is loaded before every command and before the program: scripts/fast-start.js. */
const root = fileURLToPath(new URL("../..", import.meta.url));

/** Prints, as JSON, what a script returns that runs after it with the SDK. */
async function withSdk(script: string): Promise<unknown> {
  const text = `
    import { createRequire } from "node:module";
    import * as pulumi from "@pulumi/pulumi";
    const loaded = () => Object.keys(createRequire(import.meta.url).cache);
    console.log(JSON.stringify(await (async () => { ${script} })()));`;
  const args = ["--import", "./scripts/fast-start.js", "--input-type=module", "--eval", text];
  return JSON.parse((await execa(process.execPath, args, { cwd: root, timeout: 60_000 })).stdout);
}

/** What the SDK's runner does before it runs a program; `natives` is a flag of V8 with which Node's compile cache is not valid. */
const runner = `
  const requireOfSdk = createRequire(import.meta.resolve("@pulumi/pulumi"));
  await requireOfSdk("./runtime/closure/v8Hooks").isInitializedAsync();
  requireOfSdk("./cmd/run/tracing").newSpan("language-runtime.run").end();
  const natives = () => { try { return new Function("return %IsSmi(1)")(); } catch { return false; } };
  const has = (path) => loaded().some((file) => file.includes("/node_modules/" + path));
`;

describe("the start of a command", () => {
  test("loads nothing that only dynamic providers, the automation API or exported traces need, and attaches no debugger", async () => {
    const heavy =
      "/node_modules/(typescript|pacote|@sigstore|@npmcli|@opentelemetry/sdk-trace|execa)/|/pulumi/automation/stack";
    expect(
      await withSdk(
        `${runner} return { files: loaded().filter((path) => path.match("${heavy}")), natives: natives() }`,
      ),
    ).toEqual({
      files: [],
      natives: false,
    });
    expect(await withSdk("return loaded().length")).toBeGreaterThan(80);
  });

  test("the second command strips no types; an `up` loads no client of Postgres, and neither fetch nor WebSocket", async () => {
    const home = mkdtempSync(join(tmpdir(), "fast-start-"));
    const script = `
      import { createRequire } from "node:module";
      await import("./lab/commands/up.ts");
      const builtin = process.moduleLoadList.filter((name) => name.startsWith("NativeModule internal/deps/"));
      const files = Object.keys(createRequire(import.meta.url).cache);
      console.log(JSON.stringify([...builtin, ...files].filter((name) => /amaro|undici|node_modules.pg/.test(name))));`;
    const args = ["--import", "./scripts/fast-start.js", "--input-type=module", "--eval", script];
    const command = async () => {
      const env = { BERTH_LAB_HOME: home, NODE_COMPILE_CACHE: undefined };
      return JSON.parse((await execa(process.execPath, args, { cwd: root, env, timeout: 60_000 })).stdout);
    };
    try {
      expect(await command()).toEqual([expect.stringContaining("amaro")]);
      expect(await command()).toEqual([]);
    } finally {
      rmSync(home, { recursive: true });
    }
  });

  test("loads it when it is used: a function is serialized, code is collected, a stack is automated, a trace begins", async () => {
    const found = (await withSdk(`
      ${runner}
      const path = await import("node:path");
      const { text } = await pulumi.runtime.serializeFunction(() => path.join("serialized", pulumi.getProject.name));
      const serialized = [has("typescript/lib/typescript.js"), natives()];
      const collected = (await pulumi.runtime.computeCodePaths()).size > 0 && has("@npmcli/arborist/lib/index.js");
      const automated = typeof pulumi.automation.LocalWorkspace.createOrSelectStack;
      requireOfSdk("./cmd/run/tracing").start("tcp://127.0.0.1:1");
      return { text, serialized, collected, automated, traced: has("@opentelemetry/sdk-trace-node/") };
    `)) as Record<string, unknown>;
    expect(found.text).toContain("serialized");
    expect(found).toMatchObject({
      serialized: [true, true],
      collected: true,
      automated: "function",
      traced: true,
    });
  });

  test("leaves stack traces as Node makes them: the lines of the TypeScript file", async () => {
    // As the SDK's runner does.
    const mapped = await withSdk(`
      const before = Error.prepareStackTrace;
      createRequire(import.meta.resolve("@pulumi/pulumi"))("source-map-support/register");
      return Error.prepareStackTrace !== before`);
    expect(mapped).toBe(false);
  });

  test("finds a promise that the program did not wait for, and its stack trace where it is asked for", async () => {
    const script = `
      import { createRequire } from "node:module";
      import "@pulumi/pulumi";
      const requireOfSdk = createRequire(import.meta.resolve("@pulumi/pulumi"));
      const leak = () => requireOfSdk("./runtime/debuggable").debuggablePromise(new Promise(() => {}), "never resolved");
      leak();`;
    const args = ["--import", "./scripts/fast-start.js", "--input-type=module", "--eval", script];
    const run = (env: NodeJS.ProcessEnv) => execa(process.execPath, args, { cwd: root, env, reject: false });
    const found = await run({});
    expect(found).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("1 promise was still active"),
    });
    const { exitCode, stdout, stderr } = await run({ PULUMI_DEBUG_PROMISE_LEAKS: "1" });
    expect(exitCode).toBe(1);
    expect(`${stdout}${stderr}`).toMatch(/never resolved\nSTACK_TRACE:\nError\n.*at leak /s);
  });
});
