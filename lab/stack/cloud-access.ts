import { daemonHost, daemonPorts, type LabHome } from "../home.ts";
import { generatedSecrets } from "./generated-secrets.ts";

/** Hetzner's tokens have exactly 64 characters, which its provider checks. */
export const tokenCharacters = 64;
/** The part of a token that a canary's mark uses, in bytes of two hex digits. */
const markBytes = 12;

/** The token of the lab's cloud: one per lab, for every stack. */
export function cloudToken(home: LabHome): string {
  const bytes = tokenCharacters / 2 - (process.env.BERTH_LAB_CANARY === "1" ? markBytes : 0);
  return generatedSecrets(home.stateDir, "cloud").get("hcloud:token", { kind: "hex", bytes });
}

/** The URL of the lab's cloud: the provider's `endpoint`. */
export function cloudEndpoint(home: LabHome): string {
  return `http://${daemonHost(home)}:${daemonPorts.cloud}/v1`;
}
