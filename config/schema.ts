import { z } from "zod";
import { backupsSchema } from "../components/backup/backup-config.ts";
import { buildsSchema } from "../components/build/build-config.ts";
import { dnsSchema } from "../components/dns/records.ts";
import { edgeNetworkSchema, headersSchema } from "../components/edge/edge-config.ts";
import { tlsSchema } from "../components/edge/tls.ts";
import { hostSchema, sshSchema } from "../components/host/host-config.ts";
import { pullPatienceSchema, registriesSchema } from "../components/host/registries.ts";
import { imageSchema } from "../components/image.ts";
import { domainSchema, hyphenatedNameSchema, nameSchema } from "../components/schema.ts";
import { secretRecordsSchema } from "../components/secrets/records.ts";
import { environments } from "../components/system.ts";
import { alertsSchema } from "../components/watch/alerts-config.ts";

/** For required values: the error says what to set. */
const missing = (what: string) => ({
  error: ({ input }: { readonly input?: unknown }) =>
    input === undefined ? `missing; ${what}. For an example see Pulumi.production.yaml of Berth` : undefined,
});

/** The schema of the namespace `berth` in Pulumi.<stack>.yaml, put together from the components' own. */
export const berthSchema = z.strictObject({
  environment: z.enum(environments),
  hosts: z.record(nameSchema, hostSchema, missing("a server by name, as main: { serverType, location, … }")),
  ssh: sshSchema,
  /** When left out, Berth does not manage DNS. */
  dns: dnsSchema.optional(),
  /** What exists at Hetzner and is adopted: resource's name to id. See docs/runbooks/infrastructure.md. */
  adopt: z.record(z.string(), z.coerce.string()).default({}),
  systems: z.record(
    // Backups of a host itself have the name `host-<host>`; see hostItself.
    hyphenatedNameSchema.refine(
      (name) => !name.startsWith("host-"),
      "is the name of a host's own backups; use one that does not begin with host-",
    ),
    z.strictObject({
      host: nameSchema,
      domain: domainSchema,
      headers: headersSchema,
      edgeNetwork: edgeNetworkSchema,
    }),
    missing("what runs where, as togather: { host: main, domain: app.example.org }"),
  ),
  images: z.record(
    z.string(),
    imageSchema,
    missing("where images come from, as togather/app: { repository: ghcr.io/owner/name }"),
  ),
  registries: registriesSchema.default({}),
  /** Images that a host builds from what is pushed to it, by the name of the repository. */
  builds: buildsSchema.prefault({}),
  pulls: pullPatienceSchema,
  /** Where the certificate for all domains comes from. */
  tls: tlsSchema,
  /** Where backups go; without it nothing leaves the hosts. */
  backups: backupsSchema.optional(),
  /** Who is told when something is wrong on a host; without it nobody is. */
  alerts: alertsSchema.optional(),
  /** Age and fingerprint of the secrets; `npm run ops -- record-secrets` keeps them. */
  secretRecords: secretRecordsSchema.default({}),
});
export type BerthConfig = z.infer<typeof berthSchema>;
