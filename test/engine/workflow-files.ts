import { readFileSync } from "node:fs";
import { parse } from "yaml";

/** The workflows. That a deploy's steps work is tested in test/full/togather/environments.test.ts, an image's in test/lab/image-workflow.test.ts. */
export const root = new URL("../../", import.meta.url);

export const read = (name: string) => readFileSync(new URL(`.github/workflows/${name}.yml`, root), "utf8");

export const text = read("deploy");

export interface Step {
  readonly name?: string;
  readonly uses?: string;
  readonly run?: string;
  readonly if?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export const workflow = parse(text) as {
  on: unknown;
  concurrency: unknown;
  jobs: { deploy: { "timeout-minutes": number; environment: string; steps: readonly Step[] } };
};

export const { deploy } = workflow.jobs;

export const recording = "Preview and record the version";

export const position = (name: string) => deploy.steps.findIndex((step) => step.name === name);
