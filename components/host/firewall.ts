import type { ResourceHookFunction } from "@pulumi/pulumi";
import { edgePorts } from "../edge/route.ts";
import type { HostConfig } from "./host-config.ts";

type Ports = Pick<HostConfig, "sshPort" | "sshPortBefore">;

/** Where sshd listens, the port that stays first. */
export function sshPorts({ sshPort, sshPortBefore }: Ports): readonly [number, ...number[]] {
  return sshPortBefore === undefined ? [sshPort] : [sshPort, sshPortBefore];
}

/** Where this run connects. */
export function connectionPort({ sshPort, sshPortBefore }: Ports): number {
  return sshPortBefore ?? sshPort;
}

/** Inbound rules; everything else is dropped. Derived from the same declaration as the published ports. */
export function firewallRules(config: Ports & Pick<HostConfig, "sshAllowedFrom">) {
  const everywhere = ["0.0.0.0/0", "::/0"];
  const tcp = (port: number, sourceIps: string[], description: string) => ({
    direction: "in",
    protocol: "tcp",
    port: String(port),
    sourceIps,
    description,
  });
  return [
    ...sshPorts(config).map((port) => tcp(port, [...config.sshAllowedFrom], "SSH")),
    tcp(edgePorts.http, everywhere, "HTTP"),
    tcp(edgePorts.https, everywhere, "HTTPS"),
  ];
}

/**
 * Hook before the firewall is updated, in a preview too.
 * It throws when the port of the run's connections was not open before: sshd does not listen there, and once the firewall
 * closes the old one nobody comes in.
 */
export function refuseLockout(port: number): ResourceHookFunction {
  return ({ name, oldInputs }) => {
    const rules: unknown = oldInputs?.rules;
    const open = (Array.isArray(rules) ? rules : [])
      .filter((rule: { description?: unknown }) => rule.description === "SSH")
      .map((rule: { port?: unknown }) => Number(rule.port));
    if (open.length === 0 || open.includes(port)) return;
    throw new Error(
      `${name}: sshPort: ${port} is a new port, and nobody could connect: the host listens on ${open.join(", ")}. It takes two runs. ` +
        `First set sshPortBefore: ${open[0]} beside it and run up, which opens both; then remove sshPortBefore and run up again`,
    );
  };
}
