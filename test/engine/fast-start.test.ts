import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { describe, expect, test } from "vitest";

/** What is loaded before every command and before the program: scripts/fast-start.ts. */
const root = fileURLToPath(new URL("../..", import.meta.url));

/** Prints, as JSON, what a script returns that runs after it with the SDK. */
async function withSdk(script: string): Promise<unknown> {
  const text = `
    import { createRequire } from "node:module";
    import * as pulumi from "@pulumi/pulumi";
    const loaded = () => Object.keys(createRequire(import.meta.url).cache);
    console.log(JSON.stringify(await (async () => { ${script} })()));`;
  const args = ["--import", "./scripts/fast-start.ts", "--input-type=module", "--eval", text];
  return JSON.parse((await execa(process.execPath, args, { cwd: root, timeout: 60_000 })).stdout);
}

describe("the start of a command", () => {
  test("does not load the TypeScript compiler, nor what resolves dependencies", async () => {
    const heavy = "/node_modules/(typescript|pacote|@sigstore)/";
    expect(await withSdk(`return loaded().filter((path) => path.match("${heavy}"))`)).toEqual([]);
    expect(await withSdk("return loaded().length")).toBeGreaterThan(100);
  });

  test("loads both when the SDK serializes a function, as for a dynamic provider", async () => {
    const { text, compiler, resolver } = (await withSdk(`
      const path = await import("node:path");
      const { text } = await pulumi.runtime.serializeFunction(() => path.join("serialized", pulumi.getProject.name));
      const has = (file) => loaded().some((path) => path.endsWith(file));
      return { text, compiler: has("/typescript/lib/typescript.js"), resolver: has("/@npmcli/arborist/lib/index.js") };
    `)) as { text: string; compiler: boolean; resolver: boolean };
    expect(text).toContain("serialized");
    expect([compiler, resolver]).toEqual([true, true]);
  });

  test("leaves stack traces as Node makes them: the lines of the TypeScript file", async () => {
    // As the SDK's runner does.
    const mapped = await withSdk(`
      const before = Error.prepareStackTrace;
      createRequire(import.meta.resolve("@pulumi/pulumi"))("source-map-support/register");
      return Error.prepareStackTrace !== before`);
    expect(mapped).toBe(false);
  });
});
