/**
 * What a client makes sure of before it sends its password, by PostgreSQL's names (its documentation, "SSL Support"): `require` encrypts,
 * `verify-ca` checks that the authority has signed the server's certificate too, `verify-full` its name as well. Less is none of them:
 * Berth's servers refuse connections without TLS.
 */
export type TlsMode = "require" | "verify-ca" | "verify-full";

/** Modes that let somebody else answer in the server's place; each has to be acknowledged. */
export const weakTlsModes = ["require", "verify-ca"] as const;

/** What the driver in a client's image does, and how it is told. */
export interface ClientTls {
  readonly mode: TlsMode;
  /** What the driver reads in a URL, where that is not libpq's `sslmode` and `sslrootcert`: `{ ssl: "true" }` for Ecto. */
  readonly urlParameters?: Readonly<Record<string, string>>;
}

/** Of a client whose stack file says nothing else. */
export const verifyFull: ClientTls = { mode: "verify-full" };

/** The secret with the certificate of the server's authority. */
export const authority = "DATABASE_AUTHORITY";
/** Certificate of the server's authority, PEM, in every container that connects. */
export const authorityFile = `/run/secrets/${authority}`;

/** The query of a URL: `sslmode=verify-full&sslrootcert=/run/secrets/DATABASE_AUTHORITY`. */
export function urlQuery({ mode, urlParameters }: ClientTls): string {
  const own = urlParameters ?? {
    sslmode: mode,
    ...(mode === "require" ? {} : { sslrootcert: authorityFile }),
  };
  return Object.entries(own)
    .map(([name, value]) => `${name}=${value}`)
    .join("&");
}
