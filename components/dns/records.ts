import { Zone, type ZoneArgs } from "@pulumi/hcloud/zone.js";
import { ZoneRrset, type ZoneRrsetArgs } from "@pulumi/hcloud/zoneRrset.js";
import {
  ComponentResource,
  type ComponentResourceOptions,
  type Input,
  mergeOptions,
  type Resource,
} from "@pulumi/pulumi";
import { z } from "zod";
import { type Adoptions, adoption } from "../adoption.ts";
import { labels } from "../labels.ts";
import { domainSchema } from "../schema.ts";

/** The zones at Hetzner DNS in which the domains' records are kept: `berth:dns`. */
export const dnsSchema = z.strictObject({
  zone: domainSchema,
  /** More zones, where the systems' domains lie in several. Their resources carry their names; `zone` is `<name>-zone`, whichever it is. */
  otherZones: z.array(domainSchema).default([]),
  ttlSeconds: z.int().min(60).max(86400).default(300),
});
type DnsZones = Pick<z.infer<typeof dnsSchema>, "zone" | "otherZones">;

export interface DnsArgs extends z.infer<typeof dnsSchema> {
  /** Domain to the address of the host that serves it; each lies in one of the zones. */
  readonly addresses: Readonly<Record<string, RecordTarget>>;
  /** The same for the domains of hosts that have an IPv6 address. */
  readonly addresses6: Readonly<Record<string, RecordTarget>>;
  readonly adopt: Adoptions;
}

interface RecordTarget {
  readonly address: Input<string>;
  /** What must be done first, so that nobody is led to what does not answer yet: the edge. */
  readonly dependsOn: Resource;
}

/**
 * The zones at Hetzner DNS and for each domain that a route uses one A record set, and an AAAA record set where its host has IPv6. They follow the host's address once its edge answers there. The zones are protected, by Pulumi and by
 * Hetzner: deleting one takes every other record with it.
 */
export class Dns extends ComponentResource {
  constructor(name: string, args: DnsArgs, opts?: ComponentResourceOptions) {
    super("berth:dns:Dns", name, {}, opts);
    const zones = new Map(
      [args.zone, ...args.otherZones].map((zone) => [
        zone,
        this.zone(zoneResource(name, zone, args), zone, args),
      ]),
    );
    const record = (
      resource: string,
      domain: string,
      type: "A" | "AAAA",
      { address, dependsOn }: RecordTarget,
    ) => {
      const zoneName = zoneOf(domain, args);
      const zone = zoneName && zones.get(zoneName);
      if (!zone) throw new Error(`${domain} lies in no zone, although the configuration was checked`);
      const record: ZoneRrsetArgs = {
        zone: zone.name,
        name: relativeName(domain, zoneName),
        type,
        ttl: args.ttlSeconds,
        records: [{ value: address }],
        changeProtection: false,
        labels: labels(resource),
      };
      new ZoneRrset(
        resource,
        record,
        mergeOptions({ parent: this, deletedWith: zone, dependsOn }, adoption(args.adopt, resource, record)),
      );
    };
    for (const [domain, target] of Object.entries(args.addresses)) {
      record(`${name}-${domain}`, domain, "A", target);
    }
    for (const [domain, target] of Object.entries(args.addresses6)) {
      record(recordResource6(name, domain), domain, "AAAA", target);
    }
    this.registerOutputs();
  }

  private zone(resource: string, zone: string, { ttlSeconds, adopt }: DnsArgs): Zone {
    const args: ZoneArgs = {
      name: zone,
      mode: "primary",
      ttl: ttlSeconds,
      deleteProtection: true,
      labels: labels(resource),
    };
    const opts = { parent: this, protect: true };
    return new Zone(resource, args, mergeOptions(opts, adoption(adopt, resource, args)));
  }
}

/** Name of the resource of a domain's AAAA records; no domain ends so. */
export function recordResource6(name: string, domain: string): string {
  return `${name}-${domain}-aaaa`;
}

/** Name of a zone's resource. */
export function zoneResource(name: string, zone: string, { zone: first }: DnsZones): string {
  return zone === first ? `${name}-zone` : `${name}-zone-${zone}`;
}

/** The zone that a domain's record belongs to: of those that it lies in, the longest. Undefined when it lies in none. */
export function zoneOf(domain: string, { zone, otherZones }: DnsZones): string | undefined {
  return [zone, ...otherZones]
    .filter((candidate) => domain === candidate || domain.endsWith(`.${candidate}`))
    .toSorted((one, other) => other.length - one.length)[0];
}

/** `app.example.org` in the zone `example.org` is `app`; the zone itself is `@`. */
export function relativeName(domain: string, zone: string): string {
  return domain === zone ? "@" : domain.slice(0, -(zone.length + 1));
}

/** What is wrong with zones and domains that another stack's file names too: each stack would change the other's records. */
export function sharedNameProblems(
  stack: { readonly zones: readonly string[]; readonly domains: Readonly<Record<string, string>> },
  others: readonly {
    readonly stack: string;
    readonly zones?: readonly string[];
    readonly domains?: readonly string[];
  }[],
): string[] {
  const what = "and each of the two would change the other's records; use one of its own";
  return others.flatMap((other) => [
    ...stack.zones
      .filter((zone) => other.zones?.includes(zone))
      .map((zone) => `berth:dns: the zone ${zone} is the stack ${other.stack}'s, ${what}`),
    ...Object.entries(stack.domains)
      .filter(([, domain]) => other.domains?.includes(domain))
      .map(
        ([system, domain]) =>
          `berth:systems.${system}.domain: ${domain} is the stack ${other.stack}'s, ${what}`,
      ),
  ]);
}
