import type { ResourceHookArgs, ResourceHookFunction } from "@pulumi/pulumi";

const label = "berth.postgres-major-version";

/** The major version that a version of an image names: `16` for `16`, `16.4` and `16-3.5`; nothing for `latest` or a name. */
export function majorVersion(version: string): string | undefined {
  return /^v?(\d+)(?=$|[.-])/.exec(version)?.[1];
}

/** Says on the service which major version the configuration named, for the next run to compare. */
export function majorVersionLabel(version: string): { label: string; value: string } {
  return { label, value: majorVersion(version) ?? "unknown" };
}

/**
 * Hook before a Postgres service is updated, in a preview too. A data folder opens with the major version that made it and no
 * other (PostgreSQL's documentation, "Upgrading a PostgreSQL Cluster").
 * It throws when the configuration names another major version than the one that runs, unless that is `upgradeFrom`.
 */
export function refuseOtherMajorVersion(upgradeFrom?: string): ResourceHookFunction {
  return ({ name, oldInputs, newInputs }) => {
    const before = labelled(oldInputs);
    const after = labelled(newInputs);
    if (before === undefined || after === undefined || before === after || before === upgradeFrom) return;
    throw new Error(
      `${name} runs PostgreSQL ${before} and the configuration names ${after}, which cannot open its data. Allowed: a version of ${before}. ` +
        `To move to ${after}: docs/runbooks/database.md, "A new major version"`,
    );
  };
}

function labelled(inputs: ResourceHookArgs["oldInputs"]): string | undefined {
  const labels: unknown = inputs?.labels;
  if (!Array.isArray(labels)) return undefined;
  const entry: unknown = labels.find((each: unknown) => isLabel(each) && each.label === label);
  return isLabel(entry) && entry.value !== "unknown" ? entry.value : undefined;
}

function isLabel(value: unknown): value is { label: string; value: string } {
  return typeof value === "object" && value !== null && "label" in value && "value" in value;
}
