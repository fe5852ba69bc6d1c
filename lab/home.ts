import { mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/**
 * The name, network and folders of a lab. Two folders:
 *
 * - `cacheDir`: expensive and reusable (base images, the outer Docker engine's data, built tools); `lab down` keeps it.
 * - `stateDir`: the data of one lab (the cloud's state, deployment state, pid files, logs); `lab down` removes it.
 *
 * Environment: `BERTH_LAB_HOME` (default `~/.cache/berth`), `BERTH_LAB` (the lab's name, default `berth`) and
 * `BERTH_LAB_SUBNET` (default `198.18.0.0/24`, from the benchmarking range of RFC 2544), so that several labs can
 * run at the same time.
 */
export interface LabHome {
  readonly name: string;
  readonly cacheDir: string;
  readonly stateDir: string;
  /** IPv4 network of the lab's bridge, a /24: `.1` is the bridge, `.10` to `.99` machines, `.100` to `.199` clients. */
  readonly subnet: string;
  /** The bridge's own address: the cloud API, the registry and DNS listen here. */
  readonly gateway: string;
}

export function labHome(env: NodeJS.ProcessEnv = process.env): LabHome {
  const cacheDir = env.BERTH_LAB_HOME ?? join(homedir(), ".cache", "berth");
  const name = env.BERTH_LAB ?? "berth";
  const subnet = env.BERTH_LAB_SUBNET ?? "198.18.0.0/24";
  if (!/^[a-z][a-z0-9-]{0,15}$/.test(name)) {
    throw new Error(
      `BERTH_LAB: "${name}" is not a lab name; use lower-case letters, digits and dashes, at most 16`,
    );
  }
  if (!/^198\.1[89]\.\d{1,3}\.0\/24$/.test(subnet)) {
    throw new Error(
      `BERTH_LAB_SUBNET: "${subnet}" is not a /24 inside 198.18.0.0/15; for example 198.18.7.0/24`,
    );
  }
  const stateDir = join(cacheDir, "labs", name);
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  return { name, cacheDir, stateDir, subnet, gateway: subnet.replace(/0\/24$/, "1") };
}

/** The lab's own loopback address, so that several labs can use the same ports: 198.18.7.1 has 127.18.7.1. */
export function daemonHost(home: LabHome): string {
  return home.gateway.replace(/^198\./, "127.");
}

/** Where the daemon listens there. Fixed, because the cloud's address is part of the configuration, which must not change between runs. */
export const daemonPorts = { cloud: 8180, health: 8181 } as const;
