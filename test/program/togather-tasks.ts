import type { ProgramRun } from "./support.ts";

const secretSignature = "4dabf18193072939515e22adb298388d";

export const isSecret = (value: unknown): boolean =>
  typeof value === "object" && value !== null && secretSignature in value;

/** What a resource's inputs have in clear: all but the secrets. */
export const inClear = (inputs: unknown): string =>
  JSON.stringify(inputs, (_, value) => (isSecret(value) ? "[secret]" : value));

export function containerOf(program: ProgramRun, service: string) {
  const { taskSpec } = program.find("docker:index/service:Service", service).inputs as {
    taskSpec: {
      containerSpec: {
        args: string[];
        env: Record<string, string>;
        healthcheck: { tests: string[] };
        secrets: { fileName: string }[];
        configs: unknown[];
        mounts: unknown[];
      };
    };
  };
  return taskSpec.containerSpec;
}

export function withoutSecrets(value: unknown): unknown {
  if (isSecret(value)) return "[secret]";
  if (Array.isArray(value)) return value.map(withoutSecrets);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withoutSecrets(inner)]));
}
