import { z } from "zod";
import { edgeSchema } from "../edge/edge-config.ts";
import { network } from "../ip-network.ts";
import { portSchema, use, wholeNumber } from "../schema.ts";
import { locations, serverTypes } from "./server-types.ts";

/** Hetzner image of a new server where the configuration names none. */
export const defaultImage = "debian-13";

/** One server: an entry of `berth:hosts`. */
export const hostSchema = z.strictObject({
  /** Hetzner server type. */
  serverType: z.enum(serverTypes),
  location: z.enum(locations),
  /** Hetzner image of a new server; a server that is there keeps its own. Debian 12's Docker is 20.10. */
  image: z.enum(["debian-13", "debian-12", "ubuntu-24.04"]).default(defaultImage),
  /** Size of the volume that holds all data, 10 to 10240. */
  volumeGigabytes: wholeNumber(10, 10240),
  /** Networks that may open SSH connections; all of them (0.0.0.0/0, ::/0) only with {@link sshOpenToEverybody}. */
  sshAllowedFrom: z
    .array(network, use("the networks that may connect, as in [203.0.113.7/32]"))
    .min(1, "is empty; name the networks that may connect, as in 203.0.113.7/32"),
  /** Acknowledges that everybody may try to log in, where nobody who deploys has a fixed address. */
  sshOpenToEverybody: z.boolean().default(false),
  /** A primary IPv6 address, AAAA records, and the edge answers there. On a server that is there, Hetzner's provider powers it off for this. */
  ipv6: z.boolean().default(false),
  sshPort: portSchema.default(22),
  /** The port that is given up: both are open while it is named, and Berth connects there. */
  sshPortBefore: portSchema.optional(),
  /** Public host key of a server that was adopted, as `ssh-ed25519 AAAA…`; it keeps its addresses too. */
  hostKey: z
    .string()
    .regex(
      /^ssh-ed25519 [A-Za-z0-9+/]+=*$/,
      "is not an Ed25519 host key; use the two words that ssh-keyscan -t ed25519 ADDRESS prints after the address",
    )
    .optional(),
  /**
   * What is empty on the host begins with its newest good backup, as on a server that takes the place of one that is gone. What is there is
   * left alone. Needs `berth:backups`. See docs/runbooks/server-is-gone.md.
   */
  restoreFrom: z.enum(["backups"]).optional(),
  /** Acknowledges that these begin empty where the store has no good backup of them: `database togather_postgres/togather`. */
  beginEmpty: z
    .array(
      z
        .string()
        .regex(
          /^(database [^\s/]+\/[^\s/]+|redis [^\s/]+|folder \/\S+)$/,
          "is nothing that a host keeps; use database SERVER/NAME, redis SERVER or folder /PATH, as up names it",
        ),
    )
    .default([]),
  /** The one edge of the host. */
  edge: edgeSchema,
});
export type HostConfig = z.infer<typeof hostSchema>;

/** Who deploys: `berth:ssh`. */
export const sshSchema = z.strictObject(
  {
    /** Public keys of the people and machines that deploy. */
    authorizedKeys: z
      .array(
        z
          .string()
          .regex(
            /^(ssh-ed25519|ecdsa-sha2-\S+|ssh-rsa) \S+/,
            "is not an OpenSSH public key; use the line that cat ~/.ssh/id_ed25519.pub prints",
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
);
