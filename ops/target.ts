import { join } from "node:path";
import { type Backend, PulumiBackend } from "./backend.ts";
import type { CloudAccess } from "./cloud.ts";
import type { RunCommand } from "./run.ts";
import { StateFileBackend } from "./state-file-backend.ts";

/** What an operator's command is about. */
export interface Target {
  readonly backend: Backend;
  readonly cloud?: CloudAccess;
}

/** A stack of the Pulumi command line; the cloud's token is the stack's own, or HCLOUD_TOKEN. */
export async function pulumiTarget(stack: string, run: RunCommand): Promise<Target> {
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
    backend: new PulumiBackend(stack, run),
    ...(token === undefined ? {} : { cloud: { token, ...(endpoint === undefined ? {} : { endpoint }) } }),
  };
}

/** A stack that the lab rehearses. The lab is loaded here and nowhere else in this folder. */
export async function labTarget(stack: string): Promise<Target> {
  const { labHome } = await import("../lab/home.ts");
  const { cloudEndpoint, cloudToken } = await import("../lab/stack/cloud-access.ts");
  const home = labHome();
  return {
    backend: new StateFileBackend(stack, join(home.stateDir, `${stack}.json`)),
    cloud: { endpoint: cloudEndpoint(home), token: cloudToken(home) },
  };
}

/** The lab where it has deployed this stack and there is no `pulumi` to ask; else Pulumi. */
export async function defaultTarget(stack: string, run: RunCommand): Promise<Target> {
  try {
    await run("pulumi", ["version"], { timeoutSeconds: 60 });
  } catch {
    return labTarget(stack);
  }
  return pulumiTarget(stack, run);
}
