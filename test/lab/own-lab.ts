import { labHome } from "../../lab/home.ts";

/**
 * The labs of the tests: files run at the same time, so each has a lab of its own, with a network that no other one has. Those of test/full
 * share the first lab, but for `backup-times`.
 */
const networks = {
  togather: 9,
  mfa: 12,
  "connected-repo": 24,
  sertantai: 25,
  gadgetbot: 36,
  alerts: 246,
  "app-image": 241,
  "backup-times": 222,
  backups: 242,
  "backups-redis": 223,
  "backups-state": 238,
  "docker-one": 233,
  "docker-two": 232,
  "edge-ipv6": 243,
  "edge-routes": 244,
  images: 240,
  "image-workflow": 245,
  machine: 239,
  "move-in": 230,
  "point-in-time": 236,
  "providers-docker": 229,
  "providers-sql": 228,
  pull: 227,
  redis: 226,
  registry: 247,
  "restore-dump": 225,
  "restore-from": 224,
  snapshots: 235,
  "stand-ins": 237,
} as const;

export type LabName = keyof typeof networks;

/** Environment of the lab of one test file. */
export function ownLab(name: LabName) {
  // A lab's name has 16 characters at most.
  return { BERTH_LAB: `t-${name}`.slice(0, 16), BERTH_LAB_SUBNET: `198.18.${networks[name]}.0/24` };
}

export const ownHome = (name: LabName) => labHome({ ...process.env, ...ownLab(name) });
