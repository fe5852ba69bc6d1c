import { getStack } from "@pulumi/pulumi";

/**
 * Labels on everything that Berth creates outside the state, so that `ops recover` can find what an interrupted run
 * created and did not record.
 */
export function labels(resource: string, system?: string): Record<string, string> {
  return {
    "berth.stack": getStack(),
    ...(system === undefined ? {} : { "berth.system": system }),
    "berth.resource": resource,
  };
}

/** The same, in the docker provider's form. */
export function dockerLabels(resource: string, system?: string): { label: string; value: string }[] {
  return Object.entries(labels(resource, system)).map(([label, value]) => ({ label, value }));
}
