import type { local } from "@pulumi/command";
import { Provider as DockerProvider } from "@pulumi/docker";
// By module: importing anything from the package's index loads all 82 of its modules, in the program and in every command.
import { Firewall } from "@pulumi/hcloud/firewall.js";
import { PrimaryIp, type PrimaryIpArgs } from "@pulumi/hcloud/primaryIp.js";
import { Server, type ServerArgs } from "@pulumi/hcloud/server.js";
import { Volume, type VolumeArgs } from "@pulumi/hcloud/volume.js";
import { VolumeAttachment } from "@pulumi/hcloud/volumeAttachment.js";
import {
  all,
  ComponentResource,
  type ComponentResourceOptions,
  type CustomResourceOptions,
  type Input,
  mergeOptions,
  type Output,
  output,
  type Resource,
  ResourceHook,
  secret,
} from "@pulumi/pulumi";
import * as tls from "@pulumi/tls";
import { type Adoptions, adoption } from "../adoption.ts";
import { labels } from "../labels.ts";
import { cloudInit } from "./cloud-init.ts";
import { type Connection, dockerHost, sshOptions } from "./connection.ts";
import { connectionPort, firewallRules, refuseLockout, sshPorts } from "./firewall.ts";
import { gate } from "./gate.ts";
import type { HostConfig } from "./host-config.ts";
import { deployUser } from "./host-files.ts";
import { announcePowerOff, firstAddress } from "./public-net.ts";
import type { PullPatience } from "./registries.ts";
import { type RegistryLogin, registryLogin, setPasswordOf } from "./registry-login.ts";
import { hostSettings } from "./settings.ts";
import type { KeptData, Restore, StoredData } from "./stored-data.ts";

export interface HostArgs {
  readonly config: HostConfig;
  readonly authorizedKeys: readonly string[];
  /** Ids of the keys at Hetzner. */
  readonly sshKeys: readonly Input<string>[];
  readonly identityFile?: string;
  readonly adopt: Adoptions;
  readonly registries: readonly RegistryLogin[];
  readonly pulls: PullPatience;
  /** From the backups, where the configuration says so. */
  readonly restore?: (connection: Connection, ready: Resource) => Restore;
}

interface HostLogin {
  readonly command: local.Command;
  /** The command that sets another password. */
  readonly setPassword: string;
}

/**
 * A Hetzner server that is ready for services: primary IP, firewall, data volume, SSH key, server with Docker and a
 * one-node Swarm, and a gate that waits until SSH (with the pinned host key) and Docker answer.
 *
 * Protected: server, address and volume carry Pulumi's `protect` and Hetzner's delete (and rebuild) protection. User data,
 * image, SSH keys and location are taken at creation only, since changing them would replace the server.
 *
 * Open to the outside: the edge's ports to everybody, SSH to `sshAllowedFrom`, nothing else.
 */
export class Host extends ComponentResource {
  readonly name: string;
  readonly connection: Connection;
  /** Its address of version 6, for the edge, where `ipv6` is set: the first of the network that Hetzner routes to it. */
  readonly ipv6?: Output<string>;
  /** Everything on the host is made through this provider; it depends on the gate. */
  readonly docker: DockerProvider;
  /** The gate: depend on it before anything on the host. */
  readonly ready: local.Command;
  readonly pulls: PullPatience;
  /** What its services keep on it, each entered by the component that makes it. */
  readonly stored: StoredData[] = [];
  readonly #logins = new Map<string, HostLogin>();
  readonly #restore: Restore | undefined;

  constructor(name: string, args: HostArgs, opts?: ComponentResourceOptions) {
    super("berth:host:Host", name, {}, opts);
    this.name = name;
    const { config } = args;
    const child = { parent: this };
    const kept = mergeOptions(child, { protect: true });

    const hostKey = new tls.PrivateKey(`${name}-host-key`, { algorithm: "ED25519" }, kept);
    const taken = (resource: string, declared: object, ignoreChanges: string[]) =>
      mergeOptions(mergeOptions(kept, { ignoreChanges }), adoption(args.adopt, resource, declared));
    const addressArgs: PrimaryIpArgs = {
      type: "ipv4",
      assigneeType: "server",
      location: config.location,
      autoDelete: false,
      deleteProtection: true,
      labels: labels(`${name}-address`),
    };
    const address = new PrimaryIp(
      `${name}-address`,
      addressArgs,
      taken(`${name}-address`, addressArgs, ["location"]),
    );
    const address6 = config.ipv6 ? this.ipv6Address(config.location) : undefined;
    const firewall = new Firewall(
      `${name}-firewall`,
      { rules: firewallRules(config), labels: labels(`${name}-firewall`) },
      mergeOptions(child, {
        hooks: {
          beforeUpdate: [
            new ResourceHook(`${name}-ssh-port`, refuseLockout(connectionPort(config)), { onDryRun: true }),
          ],
        },
      }),
    );
    const volumeArgs: VolumeArgs = {
      size: config.volumeGigabytes,
      location: config.location,
      format: "ext4",
      deleteProtection: true,
      labels: labels(`${name}-data`),
    };
    const volume = new Volume(
      `${name}-data`,
      volumeArgs,
      taken(`${name}-data`, volumeArgs, ["location", "format"]),
    );
    const userData = all([hostKey.privateKeyOpenssh, hostKey.publicKeyOpenssh]).apply(
      ([hostKeyPrivate, hostKeyPublic]) =>
        cloudInit({
          image: config.image,
          authorizedKeys: args.authorizedKeys,
          hostKeyPrivate,
          hostKeyPublic: hostKeyPublic.trim(),
          sshPorts: sshPorts(config),
          sshAllowedFrom: config.sshAllowedFrom,
          ipv6: config.ipv6,
        }),
    );
    const serverArgs: ServerArgs = {
      serverType: config.serverType,
      location: config.location,
      image: config.image,
      sshKeys: [...args.sshKeys],
      publicNets: [
        {
          ipv4Enabled: true,
          ipv4: numericId(address.id),
          ...(address6 === undefined
            ? { ipv6Enabled: false }
            : { ipv6Enabled: true, ipv6: numericId(address6.id) }),
        },
      ],
      // At creation, not attached later: an attachment leaves the server open for a moment.
      firewallIds: [numericId(firewall.id)],
      userData: secret(userData),
      keepDisk: true,
      deleteProtection: true,
      rebuildProtection: true,
      labels: labels(`${name}-server`),
    };
    const server = new Server(
      `${name}-server`,
      serverArgs,
      mergeOptions(
        taken(`${name}-server`, serverArgs, [
          "userData",
          "sshKeys",
          "image",
          "location",
          // The provider reads no public_net of a server that was imported; one that is declared then would have it power the server
          // off, take its address away and delete it (terraform-provider-hcloud, publicNetUpdateDecision).
          ...(config.hostKey === undefined ? [] : ["publicNets"]),
        ]),
        {
          hooks: {
            beforeUpdate: [new ResourceHook(`${name}-power`, announcePowerOff(name), { onDryRun: true })],
          },
        },
      ),
    );
    const attachment = new VolumeAttachment(
      `${name}-data-attachment`,
      { volumeId: numericId(volume.id), serverId: numericId(server.id), automount: false },
      child,
    );

    this.connection = {
      host: name,
      address: address.ipAddress,
      port: connectionPort(config),
      user: deployUser,
      hostKey: config.hostKey === undefined ? hostKey.publicKeyOpenssh : output(config.hostKey),
      ...(args.identityFile === undefined ? {} : { identityFile: args.identityFile }),
    };
    if (address6 !== undefined) this.ipv6 = address6.ipAddress.apply(firstAddress);
    const up = gate(
      name,
      this.connection,
      // Another one makes the gate wait again: the server was powered off for it.
      {
        ...{ VOLUME_DEVICE: volume.linuxDevice, SERVER_TYPE: server.serverType },
        ...(this.ipv6 === undefined ? {} : { IPV6: this.ipv6 }),
      },
      { parent: this, dependsOn: [server, attachment] },
    );
    this.ready = hostSettings(
      `${name}-settings`,
      {
        connection: this.connection,
        sshPorts: sshPorts(config),
        authorizedKeys: args.authorizedKeys,
        sshAllowedFrom: config.sshAllowedFrom,
        ipv6: config.ipv6,
        volumeGigabytes: config.volumeGigabytes,
      },
      { parent: this, dependsOn: [up] },
    );
    this.#restore = args.restore?.(this.connection, this.ready);
    this.pulls = args.pulls;
    for (const login of args.registries) this.logIn(login);
    this.docker = new DockerProvider(
      `${name}-docker`,
      { host: dockerHost(this.connection), sshOpts: sshOptions(this.connection) },
      { parent: this, dependsOn: [this.ready] },
    );
    this.registerOutputs();
  }

  /** Its logins to registries, by address: what pulls an image of one depends on it. */
  get logins(): ReadonlyMap<string, HostLogin> {
    return this.#logins;
  }

  /** Logs the host in to a registry, before anything is declared that pulls from there. */
  logIn(login: RegistryLogin, dependsOn: readonly Resource[] = []): void {
    const { connection, ready } = this;
    const command = registryLogin(
      `${this.name}-registry-${login.address.replace(":", "-")}`,
      { connection, login, dependsOn: [ready, ...dependsOn] },
      { parent: this },
    );
    this.#logins.set(login.address, { command, setPassword: setPasswordOf(login) });
  }

  /**
   * Restores what is empty of it, where `restoreFrom` is set.
   * @param before what must be there first
   * @returns what the first to use it depends on; nothing without `restoreFrom`
   */
  restored(
    name: string,
    data: KeptData,
    before: readonly Resource[],
    opts: CustomResourceOptions,
  ): readonly Resource[] {
    return this.#restore === undefined ? [] : [this.#restore(name, data, before, opts)];
  }

  /** Not protected, unlike the other one: it goes when the setting does, and the records follow. */
  private ipv6Address(location: string): PrimaryIp {
    const name = `${this.name}-address6`;
    return new PrimaryIp(
      name,
      {
        type: "ipv6",
        assigneeType: "server",
        location,
        autoDelete: false,
        deleteProtection: false,
        labels: labels(name),
      },
      { parent: this, ignoreChanges: ["location"] },
    );
  }

  /** What a person or a machine needs to reach the host. */
  summary(): Output<{ address: string; ipv6?: string; sshPort: number; user: string; hostKey: string }> {
    const { address, hostKey } = this.connection;
    return all([address, hostKey, this.ipv6 ?? ""]).apply(([address, hostKey, ipv6]) => ({
      address,
      ...(ipv6 === "" ? {} : { ipv6 }),
      sshPort: this.connection.port,
      user: this.connection.user,
      hostKey: hostKey.trim(),
    }));
  }
}

/** Hetzner's ids are numbers; Pulumi keeps every id as text. */
function numericId(id: Output<string>): Output<number> {
  return id.apply((text) => Number.parseInt(text, 10));
}
