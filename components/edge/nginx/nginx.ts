import type { local } from "@pulumi/command";
import { type Network, Service } from "@pulumi/docker";
import {
  ComponentResource,
  type ComponentResourceOptions,
  type CustomResourceOptions,
  mergeOptions,
  type Resource,
  ResourceHook,
} from "@pulumi/pulumi";
import { currentContainerScript, hostCommand, readScript } from "../../host/command.ts";
import type { Host } from "../../host/host.ts";
import { imagePull } from "../../host/image-pull.ts";
import { hostPaths } from "../../host/paths.ts";
import { dockerLabels } from "../../labels.ts";
import { specificationDigest } from "../../specification.ts";
import type { EdgeArgs, HostEdge, SwitchArgs } from "../edge.ts";
import { edgeResource } from "../networks.ts";
import { announceRestart } from "../restart.ts";
import { edgePorts } from "../route.ts";
import { acmeParameters, certificatesDeadlineSeconds, renewal } from "./acme.ts";
import {
  challengesDirectory,
  checkPaths,
  checkPort,
  containerDirectory,
  renderChecks,
  renderLimits,
  renderLocations,
  renderMain,
  renderSite,
  renderUpstream,
  tlsDirectory,
} from "./render.ts";

export interface NginxArgs extends EdgeArgs {
  /** All that it shares with systems. */
  readonly networks: readonly Network[];
}

const functions = readScript(import.meta.url, "./scripts/functions.sh");
const script = (name: string) => functions + readScript(import.meta.url, `./scripts/${name}`);

/**
 * nginx on the host's ports 80 and 443, its configuration a folder of the host that it mounts read-only. New routes and
 * certificates are reloads; only a new nginx version restarts it (stop-first, since two cannot own a port), which a preview says.
 */
export class NginxEdge extends ComponentResource implements HostEdge {
  readonly kind = "nginx";
  readonly ready: Resource;
  private readonly name: string;
  private readonly args: NginxArgs;
  private readonly host: Host;
  private readonly configuration: Resource;
  private readonly domains: readonly string[];
  private readonly parameters: Record<string, string | number>;
  /** For what reloads the edge and waits for its old workers. */
  private readonly reloadDeadlineSeconds: number;

  constructor(name: string, args: NginxArgs, opts?: ComponentResourceOptions) {
    super("berth:edge:NginxEdge", name, {}, opts);
    this.name = name;
    this.args = args;
    this.domains = args.sites.map(({ domain }) => domain);
    // Workers are cut off by nginx itself after its own time-out; this is the other side of it.
    const drainSeconds = args.webSocketGraceSeconds + 15;
    this.parameters = { ...edgeParameters, WORKER_DEADLINE_SECONDS: drainSeconds };
    this.reloadDeadlineSeconds = 135 + drainSeconds;
    this.host = args.host;
    const child = { parent: this };
    this.configuration = hostCommand(
      `${name}-configuration`,
      {
        connection: args.host.connection,
        script: script("configure.sh"),
        parameters: {
          ...this.parameters,
          ...renewal,
          MAIN: renderMain(args.webSocketGraceSeconds),
          DOMAINS: this.domains.join("\n"),
          ...Object.fromEntries(args.sites.map((site, index) => [`SITE_${index}`, renderSite(site)])),
          CERTIFICATE: args.tls.kind === "certificate" ? args.tls.certificatePem : "",
        },
        ...(args.privateKeyPem === undefined ? {} : { secrets: { PRIVATE_KEY: args.privateKeyPem } }),
        deadlineSeconds: this.reloadDeadlineSeconds,
        dependsOn: [args.host.ready],
      },
      child,
    );
    const pulled = imagePull(`${name}-pull`, { host: args.host, image: args.image }, child);
    const taskSpec = {
      containerSpec: {
        image: args.image.reference,
        commands: ["nginx", "-c", `${containerDirectory}/nginx.conf`, "-g", "daemon off;"],
        labels: [{ label: "berth.role", value: "edge" }],
        mounts: [
          { type: "bind", source: hostPaths.edge, target: containerDirectory, readOnly: true },
          { type: "bind", source: hostPaths.challenges, target: challengesDirectory, readOnly: true },
        ],
        healthcheck: {
          tests: ["CMD", "curl", "-fsS", "-o", "/dev/null", `http://127.0.0.1:${checkPort}/`],
          // Patient: Swarm stops what fails it, and a host that is busy for some seconds must not lose its edge for that.
          interval: "2s",
          timeout: "10s",
          retries: 10,
          startPeriod: "5s",
        },
      },
      restartPolicy: { condition: "any", delay: "1s", maxAttempts: 0, window: "0s" },
      networksAdvanceds: args.networks.map(({ id }) => ({ id })),
    };
    const serviceName = edgeResource(args.host, "edge_nginx");
    const service = new Service(
      serviceName,
      {
        labels: dockerLabels("edge_nginx"),
        mode: { replicated: { replicas: 1 } },
        updateConfig: { order: "stop-first", parallelism: 1, failureAction: "pause" },
        endpointSpec: {
          mode: "dnsrr",
          ports: Object.values(edgePorts).map((port) => ({
            publishedPort: port,
            targetPort: port,
            protocol: "tcp",
            publishMode: "host",
          })),
        },
        taskSpec,
      },
      // Two cannot own a port: if it ever must be replaced, the old one goes first.
      mergeOptions(child, {
        provider: args.host.docker,
        dependsOn: [this.configuration, pulled],
        deleteBeforeReplace: true,
        aliases: args.onlyHost && serviceName !== "edge_nginx" ? [{ name: "edge_nginx" }] : [],
      }),
    );
    this.ready = hostCommand(
      `${name}-ready`,
      {
        connection: args.host.connection,
        script: currentContainerScript + script("wait.sh"),
        parameters: {
          ...this.parameters,
          SERVICE: service.name,
          SPECIFICATION: specificationDigest(taskSpec),
        },
        deadlineSeconds: 120,
        dependsOn: [service],
      },
      mergeOptions(child, {
        hooks: {
          beforeUpdate: [
            new ResourceHook(`${name}-restart`, announceRestart(args.host.name), { onDryRun: true }),
          ],
        },
      }),
    );
    this.registerOutputs();
  }

  certify(dependsOn: readonly Resource[]): void {
    const { tls, host } = this.args;
    if (tls.kind !== "acme") return;
    hostCommand(
      `${this.name}-certificates`,
      {
        connection: host.connection,
        script: readScript(import.meta.url, "./scripts/certificates.sh"),
        parameters: acmeParameters({
          acme: tls,
          domains: this.domains,
          address: host.connection.address,
          edgeParameters: this.parameters,
          script: script("renew.sh"),
        }),
        deadlineSeconds: certificatesDeadlineSeconds,
        dependsOn: [this.configuration, this.ready, ...dependsOn],
      },
      { parent: this },
    );
  }

  switchTo(name: string, args: SwitchArgs, opts: CustomResourceOptions): local.Command {
    const domains = [...new Set(args.routes.map((route) => route.domain))];
    const locations = Object.fromEntries(
      domains.map((domain, index) => [
        `LOCATIONS_${index}`,
        args.slot.apply((slot) => renderLocations(args.service, slot, domain, args.routes)),
      ]),
    );
    return hostCommand(
      name,
      args.recorded({
        connection: this.host.connection,
        script: script("switch.sh"),
        parameters: {
          ...this.parameters,
          SERVICE: args.service,
          SLOT: args.slot,
          WATCH_SECONDS: watchSeconds,
          UPSTREAM: args.slot.apply((slot) => renderUpstream(slot, args.routes)),
          LIMITS: renderLimits(args.service, args.routes),
          CHECKS: args.slot.apply((slot) => renderChecks(slot, args.routes)),
          CHECK_PATHS: args.slot.apply((slot) => checkPaths(slot, args.routes).join("\n")),
          DOMAINS: domains.join("\n"),
          ...locations,
        },
        removeScript: script("remove.sh"),
        deadlineSeconds: this.reloadDeadlineSeconds,
        dependsOn: [this.ready, ...args.dependsOn],
      }),
      opts,
    );
  }
}

/** How long a new slot must live under real requests until the one that it replaces no longer stands by, in seconds. */
const watchSeconds = 5;

const edgeParameters = {
  EDGE_DIRECTORY: hostPaths.edge,
  CONTAINER_DIRECTORY: containerDirectory,
  TLS_DIRECTORY: tlsDirectory,
  CHALLENGES_DIRECTORY: hostPaths.challenges,
  CHECK_PORT: checkPort,
};
