import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import type { Backend } from "./backend.ts";
import type { CloudAccess } from "./cloud.ts";
import { PulumiBackend } from "./pulumi-backend.ts";
import type { RunCommand } from "./run.ts";

/** The stack of an operator's command. */
export interface Target {
  readonly backend: Backend;
  readonly cloud?: CloudAccess;
  /** What `up` would do, compared with what exists, as Pulumi prints it in JSON. The lab has a command of its own for it. */
  readonly refreshedPreview?: () => Promise<string>;
}

/**
 * A stack of the Pulumi command line; the cloud's token is the stack's own, or HCLOUD_TOKEN.
 * @param announce is called with a sentence that names the stack and its backend
 * @throws when pulumi cannot be run, or is not logged in to a backend
 */
export async function pulumiTarget(
  projectDir: string,
  stack: string,
  run: RunCommand,
  announce: (sentence: string) => void = () => undefined,
): Promise<Target> {
  let version: string;
  try {
    version = (await run("pulumi", ["version"], { timeoutSeconds: 60 })).trim();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(
      `npm run ops reads the state through Pulumi, and pulumi cannot be run here. Nothing was done.\n${reason}\n` +
        "Install it: https://www.pulumi.com/docs/install/. For the lab, use: npm run lab -- ops …",
    );
  }
  const backend = new PulumiBackend(projectName(projectDir), stack, run);
  announce(`Acting on the stack ${stack} in ${await backend.address()} (pulumi ${version}).`);
  const setting = async (key: string) => {
    try {
      return (await run("pulumi", ["config", "get", key, "--stack", stack], { timeoutSeconds: 60 })).trim();
    } catch {
      return undefined;
    }
  };
  const token = (await setting("hcloud:token")) ?? process.env.HCLOUD_TOKEN;
  const endpoint = await setting("hcloud:endpoint");
  return {
    backend,
    // The program opens the way to the databases, so it runs before they are read (--run-program). None of it is written (pulumi#12740).
    refreshedPreview: () =>
      run(
        "pulumi",
        ["preview", "--refresh", "--run-program", "--json", "--stack", stack, "--non-interactive"],
        {
          timeoutSeconds: 900,
        },
      ),
    ...(token === undefined ? {} : { cloud: { token, ...(endpoint === undefined ? {} : { endpoint }) } }),
  };
}

function projectName(projectDir: string): string {
  const text = readFileSync(join(projectDir, "Pulumi.yaml"), "utf8");
  return z.object({ name: z.string() }).parse(parse(text)).name;
}
