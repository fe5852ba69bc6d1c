import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { hostname, userInfo } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { age } from "./backend.ts";
import type { Cloud, CloudFirewall } from "./cloud.ts";

/**
 * Opens SSH for one more address during a deploy: with an additional firewall on the stack's servers. The program's own
 * firewall and the state do not know it. It has no label `berth.stack`, because recovery removes unknown objects with that label.
 */
const label = "berth.ssh-access";

/** A deploy takes minutes; a firewall that is older than this was forgotten. */
const staleSeconds = 3600;

export interface SshAccess {
  readonly name: string;
  readonly from: string;
  readonly age: string;
  readonly stale: boolean;
}

/** The name of the run that opens and closes: GitHub's run, otherwise this user on this machine. */
export function defaultRun(env: NodeJS.ProcessEnv = process.env): string {
  const { GITHUB_RUN_ID: id, GITHUB_RUN_ATTEMPT: attempt = "1" } = env;
  return id === undefined ? `${userInfo().username}-${hostname()}` : `${id}-${attempt}`;
}

/**
 * Opens SSH on the servers of a stack for one address.
 * @throws when the address is invalid, or the cloud refuses (at most five firewalls a server)
 */
export async function openSsh(
  cloud: Cloud,
  stack: string,
  options: { readonly run: string; readonly from: string; readonly ports: readonly number[] },
): Promise<string> {
  const family = isIP(options.from);
  if (family === 0) {
    throw new Error(
      `--from: "${options.from}" is not an address; use the public address of this machine, as in 203.0.113.7. Find it: curl -4 https://ip.hetzner.com`,
    );
  }
  await closeSsh(cloud, stack, options.run);
  const name = firewallName(stack, options.run);
  await cloud.createFirewall({
    name,
    labels: { [label]: stack },
    rules: options.ports.map((port) => ({
      direction: "in",
      protocol: "tcp",
      port: String(port),
      source_ips: [`${options.from}/${family === 4 ? 32 : 128}`],
      description: `SSH for ${options.run}`,
    })),
    // Applied by label selector, so that it also applies to a server that this deploy creates.
    apply_to: [{ type: "label_selector", label_selector: { selector: `berth.stack=${stack}` } }],
  });
  return name;
}

/** Closes the access that a run has opened, and forgotten access of other runs of this stack. Returns the names. */
export async function closeSsh(cloud: Cloud, stack: string, run: string): Promise<string[]> {
  const closed: string[] = [];
  for (const firewall of await cloud.firewalls(`${label}=${stack}`)) {
    if (firewall.name !== firewallName(stack, run) && !isStale(firewall)) continue;
    await cloud.removeFirewall(firewall);
    closed.push(firewall.name);
  }
  return closed;
}

/** The open addresses, each with its run and start. */
export async function sshAccess(cloud: Cloud, stack: string): Promise<SshAccess[]> {
  return (await cloud.firewalls(`${label}=${stack}`)).map((firewall) => ({
    name: firewall.name,
    from: firewall.sources.join(", "),
    age: age(firewall.created),
    stale: isStale(firewall),
  }));
}

/** Ids of the firewalls that {@link openSsh} has made. */
export async function openFirewalls(cloud: Cloud, stack: string): Promise<number[]> {
  return (await cloud.firewalls(`${label}=${stack}`)).map(({ id }) => Number(id));
}

function isStale({ created }: CloudFirewall): boolean {
  return Date.now() - Date.parse(created) > staleSeconds * 1000;
}

function firewallName(stack: string, run: string): string {
  return `ssh-${stack}-${run.replace(/[^A-Za-z0-9-]+/g, "-")}`.slice(0, 63);
}

/** The ports on which the hosts of a stack listen for SSH, from its file. */
export function sshPorts(projectDir: string, stack: string): number[] {
  const name = `Pulumi.${stack}.yaml`;
  const hosts = z.record(z.string(), z.object({ sshPort: z.int().default(22) }));
  const file = z.object({ config: z.object({ "berth:hosts": hosts }) });
  const content = file.safeParse(parse(readFileSync(join(projectDir, name), "utf8")));
  if (!content.success) throw new Error(`${name}: berth:hosts: cannot be read, so the SSH port is unknown`);
  return [...new Set(Object.values(content.data.config["berth:hosts"]).map(({ sshPort }) => sshPort))];
}
