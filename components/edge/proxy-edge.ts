import type { local } from "@pulumi/command";
import { type Network, Service, type types } from "@pulumi/docker";
import {
  ComponentResource,
  type ComponentResourceOptions,
  type CustomResourceOptions,
  createUrn,
  type Input,
  mergeOptions,
  type Resource,
  ResourceHook,
} from "@pulumi/pulumi";
import { currentContainerScript, hostCommand, readScript } from "../host/command.ts";
import type { Host } from "../host/host.ts";
import { imagePull } from "../host/image-pull.ts";
import { hostPaths } from "../host/paths.ts";
import { hostItself } from "../host/stored-data.ts";
import { dockerLabels } from "../labels.ts";
import { specificationDigest } from "../specification.ts";
import { acmeParameters, certificatesDeadlineSeconds, renewal, renewalFiles } from "./acme.ts";
import { type EdgeArgs, type HostEdge, type SwitchArgs, tlsDirectory } from "./edge.ts";
import { edgeIpv6 } from "./ipv6.ts";
import { type EdgeKind, edgeKindNames } from "./kinds.ts";
import { edgeResource } from "./networks.ts";
import { announceRestart } from "./restart.ts";
import { edgePorts } from "./route.ts";

/** What one kind of edge is made of; {@link ProxyEdge} does the rest, the same way for all of them. */
export interface ProxyKind {
  readonly kind: EdgeKind;
  /** Where it mounts the host's configuration folder, and the folder of ACME's challenges. */
  readonly containerDirectory: string;
  readonly challengesDirectory: string;
  /** Port on its loopback that answers the switch. */
  readonly checkPort: number;
  /**
   * Bodies of its scripts. The functions are in front of each: `edge_reload CONTAINER` makes the edge take what lies in its folder,
   * `edge_drain` waits for what still uses what it had before, `edge_again CONTAINER` makes it take files that were put back, and
   * `edge_loaded CONTAINER` says whether it has what lies there.
   */
  readonly functions: string;
  readonly configureScript: string;
  /** What that one writes, and nothing else: files and folders of the configuration folder. Certificates are renewed. */
  readonly configuredFiles: readonly string[];
  readonly switchScript: string;
  /** Parameters of the script that writes what does not depend on a slot. */
  configuration(
    args: Pick<EdgeArgs, "sites" | "webSocketGraceSeconds"> & ClientFamilies,
  ): Record<string, string>;
  /** Parameters of the script that sends the routes of a service to `slot`. */
  routes(slot: string, args: Pick<SwitchArgs, "service" | "routes"> & ClientFamilies): Record<string, string>;
  /** The container but for its image, labels and the mounts that every kind has. */
  container(ipv6: boolean): Pick<
    types.input.ServiceTaskSpecContainerSpec,
    "commands" | "env" | "sysctl" | "healthcheck"
  > & {
    readonly mounts?: readonly types.input.ServiceTaskSpecContainerSpecMount[];
  };
}

interface ClientFamilies {
  /** Clients come over IPv6 too. */
  readonly ipv6: boolean;
}

export interface ProxyEdgeArgs extends EdgeArgs {
  /** All that it shares with systems. */
  readonly networks: readonly Network[];
}

const shared = readScript(import.meta.url, "./scripts/functions.sh");
const own = (name: string) => readScript(import.meta.url, `./scripts/${name}`);

/** How long a new slot must live under real requests until the one that it replaces no longer stands by, in seconds. */
const watchSeconds = 5;

/** Type of the component, part of the URN of everything in it. */
const typeOf: Readonly<Record<EdgeKind, string>> = {
  nginx: "berth:edge:NginxEdge",
  traefik: "berth:edge:TraefikEdge",
};

/**
 * A proxy on the host's ports 80 and 443, its configuration a folder of the host that it mounts read-only. New routes and
 * certificates are reloads; only a new version or another kind restarts it (stop-first, since two cannot own a port), which a preview
 * says. What it is made of but for the service keeps its place in the state when the kind changes, so that a change of kind is an update.
 */
export class ProxyEdge extends ComponentResource implements HostEdge {
  readonly kind: EdgeKind;
  readonly ready: Resource;
  readonly issuerPem: string | undefined;
  /** Answers over IPv6; where its host has that. */
  readonly ready6: Resource | undefined;
  private readonly name: string;
  private readonly proxy: ProxyKind;
  private readonly args: ProxyEdgeArgs;
  private readonly host: Host;
  private readonly configuration: Resource;
  private readonly domains: readonly string[];
  private readonly parameters: Record<string, string | number>;
  /** For what reloads the edge and waits for its old workers. */
  private readonly reloadDeadlineSeconds: number;

  constructor(name: string, proxy: ProxyKind, args: ProxyEdgeArgs, opts?: ComponentResourceOptions) {
    super(typeOf[proxy.kind], name, {}, opts);
    this.name = name;
    this.kind = proxy.kind;
    this.proxy = proxy;
    this.args = args;
    this.host = args.host;
    this.issuerPem = args.tls.issuerPem;
    this.domains = args.sites.map(({ domain }) => domain);
    // The edge cuts off what is open after its own time-out; this is the other side of it.
    const drainSeconds = args.webSocketGraceSeconds + 15;
    this.parameters = {
      EDGE_DIRECTORY: hostPaths.edge,
      CONTAINER_DIRECTORY: proxy.containerDirectory,
      TLS_DIRECTORY: tlsDirectory,
      CHALLENGES_DIRECTORY: hostPaths.challenges,
      CHECK_PORT: proxy.checkPort,
      WORKER_DEADLINE_SECONDS: drainSeconds,
      GRACE_SECONDS: args.webSocketGraceSeconds,
      EDGE_KIND: proxy.kind,
      EDGE_KINDS: edgeKindNames.join("\n"),
    };
    this.reloadDeadlineSeconds = 135 + drainSeconds;
    const child = this.child();
    this.configuration = hostCommand(
      `${name}-configuration`,
      {
        connection: args.host.connection,
        script: this.script(own("certificate-files.sh") + proxy.configureScript),
        parameters: {
          ...this.parameters,
          ...renewal,
          ...proxy.configuration({ ...args, ipv6: this.ipv6 }),
          DOMAINS: this.domains.join("\n"),
          CERTIFICATE: args.tls.kind === "certificate" ? args.tls.certificatePem : "",
        },
        ...(args.privateKeyPem === undefined ? {} : { secrets: { PRIVATE_KEY: args.privateKeyPem } }),
        files: proxy.configuredFiles.map((path) => `${hostPaths.edge}/${path}`),
        deadlineSeconds: this.reloadDeadlineSeconds,
        dependsOn: [args.host.ready],
      },
      child,
    );
    const pulled = imagePull(`${name}-pull`, { host: args.host, image: args.image }, child);
    const taskSpec = this.taskSpec();
    const label = `edge_${proxy.kind}`;
    const serviceName = edgeResource(args.host, label);
    const service = new Service(
      serviceName,
      {
        labels: dockerLabels(label),
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
      {
        parent: this,
        provider: args.host.docker,
        dependsOn: [this.configuration, pulled],
        deleteBeforeReplace: true,
        aliases: args.onlyHost && serviceName !== label ? [{ name: label }] : [],
      },
    );
    this.ready = hostCommand(
      `${name}-ready`,
      {
        connection: args.host.connection,
        script: currentContainerScript + this.script(own("wait.sh")),
        parameters: {
          ...this.parameters,
          SERVICE: service.name,
          SPECIFICATION: specificationDigest(taskSpec),
        },
        deadlineSeconds: 180,
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
    const { connection, ipv6 } = args.host;
    this.ready6 =
      ipv6 && edgeIpv6(`${name}-ipv6`, { connection, address: ipv6, dependsOn: [this.ready] }, child);
    this.registerOutputs();
  }

  private get ipv6(): boolean {
    return this.host.ipv6 !== undefined;
  }

  certify(dependsOn: readonly Resource[]): void {
    const { tls, host } = this.args;
    if (tls.kind !== "acme") return;
    const kept = { kind: "folder", of: hostItself(host.name), path: hostPaths.certificates } as const;
    const restored = host.restored(`${this.name}-restore`, kept, [], this.child());
    const certificates = hostCommand(
      `${this.name}-certificates`,
      {
        connection: host.connection,
        script: own("certificates.sh"),
        parameters: acmeParameters({
          acme: tls,
          domains: this.domains,
          address: host.connection.address,
          ...(host.ipv6 === undefined ? {} : { address6: host.ipv6 }),
          edgeParameters: this.parameters,
          script: this.script(own("renew.sh")),
        }),
        files: renewalFiles,
        deadlineSeconds: certificatesDeadlineSeconds,
        dependsOn: [this.configuration, this.ready, ...restored, ...dependsOn],
      },
      this.child(),
    );
    host.stored.push({ ...kept, after: [certificates] });
  }

  switchTo(name: string, args: SwitchArgs, opts: CustomResourceOptions): local.Command {
    const domains = [...new Set(args.routes.map((route) => route.domain))];
    // One output for each parameter; their names do not depend on the slot's.
    const routes = { ...args, ipv6: this.ipv6 };
    const names = Object.keys(this.proxy.routes("", routes));
    const rendered: Record<string, Input<string>> = Object.fromEntries(
      names.map((key) => [key, args.slot.apply((slot) => this.proxy.routes(slot, routes)[key] ?? "")]),
    );
    return hostCommand(
      name,
      args.recorded({
        connection: this.host.connection,
        script: this.script(own("first-requests.sh") + this.proxy.switchScript),
        parameters: {
          ...this.parameters,
          SERVICE: args.service,
          SLOT: args.slot,
          WATCH_SECONDS: watchSeconds,
          DOMAINS: domains.join("\n"),
          ...rendered,
        },
        removeScript: this.script(own("remove.sh")),
        deadlineSeconds: this.reloadDeadlineSeconds,
        dependsOn: [this.ready, ...args.dependsOn],
      }),
      opts,
    );
  }

  private taskSpec() {
    const { containerDirectory, challengesDirectory } = this.proxy;
    const { mounts = [], commands, healthcheck, ...rest } = this.proxy.container(this.ipv6);
    return {
      // In this order: the digest of the specification is of its text.
      containerSpec: {
        image: this.args.image.reference,
        commands,
        labels: [{ label: "berth.role", value: "edge" }],
        mounts: [
          { type: "bind", source: hostPaths.edge, target: containerDirectory, readOnly: true },
          { type: "bind", source: hostPaths.challenges, target: challengesDirectory, readOnly: true },
          ...mounts,
        ],
        healthcheck,
        ...rest,
      },
      restartPolicy: { condition: "any", delay: "1s", maxAttempts: 0, window: "0s" },
      networksAdvanceds: this.args.networks.map(({ id }) => ({ id })),
    };
  }

  private script(body: string): string {
    return shared + this.proxy.functions + body;
  }

  /** Under another kind of edge it was the same. */
  private child() {
    const others = edgeKindNames.filter((kind) => kind !== this.kind);
    return { parent: this, aliases: others.map((kind) => ({ parent: createUrn(this.name, typeOf[kind]) })) };
  }
}
