import { z } from "zod";
import { certificateSchema } from "../schema.ts";

/** Let's Encrypt's two; the staging one has far higher limits and is trusted by nobody. */
const directories = {
  letsencrypt: "https://acme-v02.api.letsencrypt.org/directory",
  "letsencrypt-staging": "https://acme-staging-v02.api.letsencrypt.org/directory",
} as const;
const names = Object.keys(directories) as (keyof typeof directories)[];

const kinds = ["acme", "certificate"];

/**
 * The authority that issues the certificates, where machines do not trust it anyway: Docker on every host then trusts it for the registries that
 * the stack serves, and services that call others by their public names trust it too. Of several, all in one text. PEM.
 */
const issuerPem = certificateSchema.optional();

/** Where the certificates of a host's domains come from: `berth:tls`. */
export const tlsSchema = z.discriminatedUnion(
  "kind",
  [
    /** One for each domain, asked for by HTTP-01 and renewed on the host, from Let's Encrypt or another authority that speaks ACME. */
    z.strictObject({
      kind: z.literal("acme"),
      directory: z
        .string()
        .refine(
          (text) => text in directories || URL.parse(text)?.protocol === "https:",
          `is not an ACME directory; use ${names.join(", ")}, or an https:// URL`,
        ),
      /** Where the authority writes when something is wrong with the account. */
      email: z.email("is not an e-mail address; it is where the authority writes, as in ops@example.org"),
      /** Signed the certificate of the directory's own server, where the host does not trust it anyway. PEM. */
      trustedAuthorityPem: certificateSchema.optional(),
      issuerPem,
    }),
    /** Given, with its key in the secret `berth:tlsPrivateKeyPem`. */
    z.strictObject({ kind: z.literal("certificate"), certificatePem: certificateSchema, issuerPem }),
  ],
  {
    error: ({ code, input }) => {
      if (input === undefined) {
        return "missing; who issues the certificate: npx pulumi config set --path berth:tls.kind acme, then .directory letsencrypt and .email";
      }
      if (code !== "invalid_union") return undefined;
      const { kind } = input as { kind?: unknown };
      return `${kind === undefined ? "missing" : `${JSON.stringify(kind)} is invalid`}; use one of: ${kinds.join(", ")}`;
    },
  },
);

export type Tls = z.infer<typeof tlsSchema>;
export type Acme = Extract<Tls, { kind: "acme" }>;

/** The URL of an ACME directory. */
export function directoryUrl(directory: string): string {
  const known = names.find((name) => name === directory);
  return known === undefined ? directory : directories[known];
}
