import * as hcloud from "@pulumi/hcloud";
import { ComponentResource, type ComponentResourceOptions, type Input, mergeOptions } from "@pulumi/pulumi";
import { labels } from "../labels.ts";

export interface DnsArgs {
  readonly zone: string;
  readonly ttlSeconds: number;
  /** Domain to the address of the host that serves it. */
  readonly addresses: Readonly<Record<string, Input<string>>>;
}

/**
 * The zone at Hetzner DNS and one A record set for each domain that a route uses. The zone is protected, by Pulumi and by
 * Hetzner: deleting it takes every other record with it.
 */
export class Dns extends ComponentResource {
  constructor(name: string, args: DnsArgs, opts?: ComponentResourceOptions) {
    super("berth:dns:Dns", name, {}, opts);
    const zone = new hcloud.Zone(
      `${name}-zone`,
      {
        name: args.zone,
        mode: "primary",
        ttl: args.ttlSeconds,
        deleteProtection: true,
        labels: labels(`${name}-zone`),
      },
      { parent: this, protect: true },
    );
    for (const [domain, address] of Object.entries(args.addresses)) {
      new hcloud.ZoneRrset(
        `${name}-${domain}`,
        {
          zone: zone.name,
          name: relativeName(domain, args.zone),
          type: "A",
          ttl: args.ttlSeconds,
          records: [{ value: address }],
          changeProtection: false,
          labels: labels(`${name}-${domain}`),
        },
        mergeOptions({ parent: this }, { deletedWith: zone }),
      );
    }
    this.registerOutputs();
  }
}

/** `app.example.org` in the zone `example.org` is `app`; the zone itself is `@`. */
export function relativeName(domain: string, zone: string): string {
  return domain === zone ? "@" : domain.slice(0, -(zone.length + 1));
}
