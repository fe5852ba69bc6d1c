import type { LabHome } from "../home.ts";

/** The label that names the lab to which a container, network or volume belongs. */
export const labLabel = "berth.lab";
/** The label with the role: `machine`, `metadata`, `registry`, … */
export const roleLabel = "berth.role";

export function labLabels(home: LabHome, role: string): Record<string, string> {
  return { [labLabel]: home.name, [roleLabel]: role };
}
