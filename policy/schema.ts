import { z } from "zod";
import { network } from "../components/edge/route.ts";
import { tlsSchema } from "../components/edge/tls.ts";
import { locations, serverTypes } from "../components/host/server-types.ts";
import { secretRecordsSchema } from "../components/secrets/records.ts";

/** The schema of the namespace `berth` in Pulumi.<stack>.yaml. */

const environments = ["development", "staging", "production"] as const;
export type Environment = (typeof environments)[number];

const name = z
  .string()
  .regex(
    /^[a-z][a-z0-9]{0,19}$/,
    "is not a name; allowed: lower-case letters and digits, at most 20, a letter first",
  );
const domain = z
  .string()
  .regex(
    /^(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$/,
    "is not a domain; allowed: lower-case labels with dots, without scheme, port or path, as in app.example.org",
  );
const port = z
  .int()
  .min(1, "is not a port; allowed: 1 to 65535")
  .max(65535, "is not a port; allowed: 1 to 65535");

export const defaultImage = "debian-13";

/** For what cannot be left out: says what belongs there. */
const missing = (what: string) => ({
  error: ({ input }: { readonly input?: unknown }) =>
    input === undefined ? `missing; ${what}. For an example see Pulumi.production.yaml of Berth` : undefined,
});

const hostSchema = z.strictObject({
  /** Hetzner server type. */
  serverType: z.enum(serverTypes),
  location: z.enum(locations),
  /** Hetzner image of a new server; a server that is there keeps its own. Debian 12's Docker is 20.10. */
  image: z.enum(["debian-13", "debian-12", "ubuntu-24.04"]).default(defaultImage),
  /** Size of the volume that holds all data, 10 to 10240. */
  volumeGigabytes: z
    .int()
    .min(10, "is too small; allowed: 10 to 10240")
    .max(10240, "is too large; allowed: 10 to 10240"),
  /** Networks that may open SSH connections; all of them (0.0.0.0/0, ::/0) only with {@link sshOpenToEverybody}. */
  sshAllowedFrom: z
    .array(network)
    .min(1, "is empty; name the networks that may connect, as in 203.0.113.7/32"),
  /** Acknowledges that everybody may try to log in, where nobody who deploys has a fixed address. */
  sshOpenToEverybody: z.boolean().default(false),
  sshPort: port.default(22),
  /** The port that is given up: both are open while it is named, and Berth connects there. */
  sshPortBefore: port.optional(),
  /** Public host key of a server that was adopted, as `ssh-ed25519 AAAA…`; it keeps its addresses too. */
  hostKey: z
    .string()
    .regex(
      /^ssh-ed25519 [A-Za-z0-9+/]+=*$/,
      "is not an Ed25519 host key; allowed: two words, as ssh-keyscan -t ed25519 ADDRESS prints them after the address",
    )
    .optional(),
  /** The one edge of the host. */
  edge: z.strictObject({
    kind: z.enum(["nginx"]),
    version: z.string().min(1),
    /** How long a WebSocket or a download lives on after a release or a new certificate, which each wait for it. */
    webSocketGraceSeconds: z.int().min(5).max(3600).default(30),
  }),
});

const imageSchema = z.strictObject({
  /** As Docker pulls it, without tag: `ghcr.io/owner/name`. */
  repository: z
    .string()
    .regex(
      /^[a-z0-9.-]+(:\d+)?(\/[a-z0-9._-]+)+$/,
      "is not an image repository; allowed: host/name in lower case, without a tag",
    ),
  /** Version to digest. Production takes an image by digest only. */
  digests: z
    .record(
      z.string(),
      z.string().regex(/^sha256:[0-9a-f]{64}$/, "is not a digest; allowed: sha256: and 64 hex digits"),
    )
    .default({}),
  /** Acknowledges that the image's processes run as root; an app's image that does is refused without it. */
  allowRoot: z.boolean().default(false),
});

const registryAddress = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9.-]*(:\d+)?$/,
    "is not a registry's address; allowed: what its images' repositories begin with, as in ghcr.io or registry.example.org:5000",
  );

const registrySchema = z.strictObject({
  user: z.string().min(1),
  /** The last day on which the password is good; a preview warns 14 days before. */
  passwordExpires: z.iso.date('is not a day; allowed: as in "2027-01-31", with the quotes').optional(),
});

/** How long pulling an image may take, and how long nothing of it may arrive. */
const pullPatience = z
  .strictObject({
    deadlineSeconds: z.int().min(30).max(7200).default(900),
    stalledSeconds: z.int().min(10).max(900).default(120),
  })
  .prefault({});

/** Headers of every answer of a system's domains. */
const headersSchema = z
  .strictObject({
    /** Browsers use HTTPS alone for a year, and with this for subdomains too, also for those that live elsewhere. */
    hstsIncludeSubDomains: z.boolean().default(true),
    /** Whose pages may show the system's in a frame. */
    frames: z.enum(["deny", "sameOrigin", "everybody"]).default("deny"),
  })
  .prefault({});
export type SiteHeaders = z.infer<typeof headersSchema>;

export const berthSchema = z.strictObject({
  environment: z.enum(environments),
  hosts: z.record(name, hostSchema, missing("a server by name, as main: { serverType, location, … }")),
  ssh: z.strictObject(
    {
      /** Public keys of the people and machines that deploy. */
      authorizedKeys: z
        .array(
          z
            .string()
            .regex(
              /^(ssh-ed25519|ecdsa-sha2-\S+|ssh-rsa) \S+/,
              "is not an OpenSSH public key; allowed: the line that cat ~/.ssh/id_ed25519.pub prints",
            ),
        )
        .min(1, "is empty; add the public key you deploy with: cat ~/.ssh/id_ed25519.pub"),
      /** Private key file, the same path for everybody; left out, ssh's agent and default keys are used. */
      identityFile: z.string().optional(),
    },
    {
      error: (issue) =>
        issue.input === undefined
          ? "missing; set the public key you deploy with: npx pulumi config set --path 'berth:ssh.authorizedKeys[0]' \"$(cat ~/.ssh/id_ed25519.pub)\""
          : undefined,
    },
  ),
  /** The zones at Hetzner DNS in which the domains' records are kept; left out, DNS is kept elsewhere. */
  dns: z
    .strictObject({
      zone: domain,
      /** More zones, where the systems' domains lie in several. */
      otherZones: z.array(domain).default([]),
      ttlSeconds: z.int().min(60).max(86400).default(300),
    })
    .optional(),
  /** What is at Hetzner already and is taken over: resource's name to id. See docs/runbooks/infrastructure.md. */
  adopt: z.record(z.string(), z.coerce.string()).default({}),
  systems: z.record(
    name,
    z.strictObject({ host: name, domain, headers: headersSchema }),
    missing("what runs where, as togather: { host: main, domain: app.example.org }"),
  ),
  images: z.record(
    z.string(),
    imageSchema,
    missing("where images come from, as togather/app: { repository: ghcr.io/owner/name }"),
  ),
  /** Registries that ask for a login, by address; the password of each is a secret of its own, `registryPassword.<address>`. */
  registries: z.record(registryAddress, registrySchema).default({}),
  pulls: pullPatience,
  /** Where the certificate for all domains comes from. */
  tls: tlsSchema,
  /** Age and fingerprint of the secrets; `npm run ops -- record-secrets` keeps them. */
  secretRecords: secretRecordsSchema.default({}),
});

export type HostConfig = z.infer<typeof hostSchema>;
export type BerthConfig = z.infer<typeof berthSchema>;
