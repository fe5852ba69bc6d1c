import { daemonHost, daemonPorts, type LabHome } from "../home.ts";
import { inventedSecrets } from "./invented-secrets.ts";

/** Hetzner's tokens have exactly 64 characters, and its provider insists. */
export const tokenCharacters = 64;
/** What a canary's mark takes of them, in bytes of two digits. */
const markBytes = 12;

/** The token of the lab's cloud: one a lab, whatever the stack. */
export function cloudToken(home: LabHome): string {
  const bytes = tokenCharacters / 2 - (process.env.BERTH_LAB_CANARY === "1" ? markBytes : 0);
  return inventedSecrets(home.stateDir, "cloud").get("hcloud:token", { kind: "hex", bytes });
}

/** Where the lab's cloud answers: the provider's `endpoint`. */
export function cloudEndpoint(home: LabHome): string {
  return `http://${daemonHost(home)}:${daemonPorts.cloud}/v1`;
}
