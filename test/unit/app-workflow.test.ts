import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";

/** The workflows that runbooks give their owners: each fits the one that it calls, and the stack that it deploys. */
const root = new URL("../../", import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), "utf8");
const called = parse(read(".github/workflows/image.yml")) as {
  on: { workflow_call: { inputs: Record<string, { required?: boolean }>; secrets: object } };
};
const { config } = parse(read("Pulumi.production.yaml")) as {
  config: {
    "berth:systems": Record<string, { domain: string }>;
    "berth:images": Record<string, { repository: string }>;
  };
};
interface Workflow {
  readonly on: unknown;
  readonly jobs: Readonly<
    Record<string, { uses: string; with: Record<string, string>; secrets: Record<string, string> }>
  >;
}
const api = `https://${config["berth:systems"]["connected-repo"]?.domain}`;

describe.each([
  ["connected-repo", "connected-repo/api", "apps/backend/Dockerfile", `VITE_API_URL=${api}`],
  ["gadgetbot", "gadgetbot/app", undefined, undefined],
])("%s", (system, service, dockerfile, buildArguments) => {
  const [, shown = ""] = /```yaml\n([\s\S]*?)```/.exec(read(`docs/runbooks/${system}.md`)) ?? [];
  const workflow = parse(shown) as Workflow;
  const { with: inputs = {}, secrets = {}, uses } = Object.values(workflow.jobs)[0] ?? {};

  test("only a push to main starts it", () => {
    expect(workflow.on).toEqual({ push: { branches: ["main"] } });
  });

  test("it calls the image workflow with inputs and secrets that it takes", () => {
    expect(uses).toMatch(/\/\.github\/workflows\/image\.yml@main$/);
    const known = called.on.workflow_call.inputs;
    expect(Object.keys(known)).toEqual(expect.arrayContaining(Object.keys(inputs)));
    for (const [name, { required }] of Object.entries(known))
      if (required) expect(inputs).toHaveProperty(name);
    expect(Object.keys(called.on.workflow_call.secrets)).toEqual(Object.keys(secrets));
  });

  test("it builds from the repository's root, for the domain and the image that production has", () => {
    expect([inputs.service, inputs.dockerfile]).toEqual([service, dockerfile]);
    expect(inputs.context ?? ".").toBe(".");
    expect(inputs.image).toBe(config["berth:images"][service]?.repository);
    expect(inputs["build-arguments"]?.trim()).toBe(buildArguments);
  });

  test("its version is one that the tag of a deploy may have", () => {
    const version = inputs.version
      ?.replace(/\$\{\{ github\.run_number \}\}/, "42")
      .replace(/\$\{\{ github\.sha \}\}/, "0123456789abcdef0123456789abcdef01234567");
    expect(`${inputs.service}/${version}`).toMatch(/^[^/]+\/[^/]+\/v42-[0-9a-f]{40}$/);
  });
});
