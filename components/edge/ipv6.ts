import type { local } from "@pulumi/command";
import type { CustomResourceOptions, Input, Output, Resource } from "@pulumi/pulumi";
import { hostCommand, installedScript, readScript } from "../host/command.ts";
import type { Connection } from "../host/connection.ts";
import { edgePorts } from "./route.ts";

/**
 * The two ends of the cable between host and edge, in a network that no packet leaves the host with. Its 40 random bits are as RFC 4193 asks
 * (3.2.2); any others would do.
 */
export const edgeCable = { host: "fdbe:b3c7:51d2:6::1", edge: "fdbe:b3c7:51d2:6::2" } as const;

const unitName = "berth-ipv6.service";
const scriptPath = "/usr/local/lib/berth/ipv6";

/** The rules are there before Docker, whose proxy listens on IPv6 too. */
const unit = `[Unit]
Description=Leads IPv6 to the edge
Wants=network-online.target
After=network-online.target
Before=docker.service
StartLimitIntervalSec=0

[Service]
ExecStartPre=${scriptPath} rules
ExecStart=${scriptPath} follow
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
`;

/** Parameters of {@link edgeIpv6}'s script on the host. */
export function ipv6Parameters(address: Input<string>): Record<string, Input<string>> {
  return {
    ADDRESS: address,
    PORTS: Object.values(edgePorts).join(","),
    EDGE_ADDRESS: edgeCable.edge,
    HOST_ADDRESS: edgeCable.host,
  };
}

/**
 * Leads what comes to the host's IPv6 address to the edge, with the client's address (docs/decisions/0007-ipv6.md): a script on the host and
 * the unit that runs it, over restarts of the edge, of Docker and of the host. Done when the edge answers there.
 */
export function edgeIpv6(
  name: string,
  args: {
    readonly connection: Connection;
    readonly address: Output<string>;
    readonly dependsOn: Resource[];
  },
  opts: CustomResourceOptions,
): local.Command {
  const own = (file: string) => readScript(import.meta.url, `./scripts/${file}`);
  const parameters = ipv6Parameters(args.address);
  return hostCommand(
    name,
    {
      connection: args.connection,
      script: own("ipv6-install.sh"),
      removeScript: own("ipv6-remove.sh"),
      parameters: {
        ...parameters,
        SCRIPT: installedScript(parameters, own("ipv6.sh"), "arguments and input"),
        SCRIPT_PATH: scriptPath,
        UNIT: unitName,
        SERVICE_UNIT: unit,
      },
      files: [scriptPath, `/etc/systemd/system/${unitName}`],
      deadlineSeconds: 120,
      dependsOn: args.dependsOn,
    },
    opts,
  );
}
