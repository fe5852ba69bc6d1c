import { hostname, userInfo } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { systems as definitions } from "../../stacks/index.ts";
import { type LabHome, labHome } from "../home.ts";
import { planStack } from "../stack/plan.ts";
import type { PlannedStack } from "../stack/planned-stack.ts";
import { objectAt, readStackFile } from "../stack/stack-file.ts";
import { readSelection } from "./selection.ts";

/** The lab and the project of a command. */
export interface LabContext {
  readonly home: LabHome;
  /** The folder of Pulumi.yaml. */
  readonly projectDir: string;
  readonly project: string;
}

/** Options of every command about a stack. */
export interface StackOptions {
  /** Default `production`. */
  readonly stack: string;
}

/** Options of commands that deploy or preview. */
export interface RunOptions extends StackOptions {
  readonly set?: readonly string[];
  readonly image?: readonly string[];
  readonly rotate?: readonly string[];
  /** Certificates from Pebble. */
  readonly acme?: boolean;
  /** Backups, to a store of the lab. */
  readonly backups?: boolean;
  readonly engine: string;
  /** The providers: the lab's, or Pulumi's real plugins. */
  readonly providers: string;
}

export function labContext(): LabContext {
  return {
    home: labHome(),
    projectDir: fileURLToPath(new URL("../..", import.meta.url)),
    project: "berth",
  };
}

/** The deployment file of a stack in this lab. */
export function stateFile(context: LabContext, stack: string): string {
  return join(context.home.stateDir, `${stack}.json`);
}

/** `user@host`, for the deploy lock. */
export function owner(): string {
  return `${userInfo().username}@${hostname()}`;
}

/** Every system of a stack file, in its order. */
export function placedSystems({ projectDir, project }: LabContext, stack: string): string[] {
  return Object.keys(objectAt(readStackFile(projectDir, project, stack).values["berth:systems"]));
}

/**
 * The plan of a run: the named systems and those that already run; without names those that run, or the first one of the stack file.
 * @throws all problems of the configuration, before anything is created.
 */
export function planRun(
  context: LabContext,
  options: Pick<RunOptions, "stack" | "set" | "acme" | "backups">,
  names: readonly string[],
): PlannedStack {
  return planStack(
    {
      projectDir: context.projectDir,
      project: context.project,
      stack: options.stack,
      definitions,
      systems: names,
      running: readSelection(context.home, options.stack),
      settings: options.set ?? [],
      acme: options.acme ?? false,
      backups: options.backups ?? false,
    },
    context.home,
  );
}
