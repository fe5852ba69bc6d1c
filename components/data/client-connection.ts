import { interpolate, type Output, secret } from "@pulumi/pulumi";
import type { ConnectionNames, SettingsKey, SettingsProblem } from "../declaration.ts";
import { authority, authorityFile, type ClientTls, type TlsMode, urlQuery } from "./client-tls.ts";

/** A server, a database on it, and who logs in. */
export interface ConnectionParts {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly name: string;
  readonly password: Output<string>;
  /** PEM. */
  readonly authorityPem: Output<string>;
}

/** What a container needs to connect. */
export interface ClientConnection {
  readonly variables: Readonly<Record<string, string>>;
  readonly secrets: Readonly<Record<string, Output<string>>>;
}

/** What a container needs to connect, under the names by which its image knows it, and what it trusts. */
export function clientConnection(
  parts: ConnectionParts,
  names: ConnectionNames,
  tls: ClientTls,
): ClientConnection {
  const { host, port, user, name, password } = parts;
  const [login, database] = [user, name].map(encodeURIComponent);
  const escaped = password.apply((text) => encodeURIComponent(text));
  const url = secret(
    interpolate`postgresql://${login}:${escaped}@${host}:${port}/${database}?${urlQuery(tls)}`,
  );
  const plain = { host, port: String(port), user, name, tlsMode: tls.mode, authorityFile };
  const variables: Record<string, string> = {};
  const secrets: Record<string, Output<string>> = {};
  for (const [variable, part] of Object.entries(names)) {
    if (part === "url") secrets[variable] = url;
    else if (part === "password") secrets[variable] = password;
    else variables[variable] = plain[part];
  }
  return { variables, secrets: { ...secrets, [authority]: parts.authorityPem } };
}

/** The authority's certificate as a secret file, for what connects otherwise. */
export const authoritySecret = (pem: Output<string>): Readonly<Record<string, Output<string>>> => ({
  [authority]: pem,
});

/**
 * What is wrong with a service's `databaseTls`, which acknowledges a weak mode by its name: without it such a client is refused, and
 * an acknowledgement that nothing needs any more is too.
 */
export function acknowledgementProblems(
  key: SettingsKey,
  { mode }: ClientTls,
  acknowledged: TlsMode | undefined,
): SettingsProblem[] {
  if (acknowledged === (mode === "verify-full" ? undefined : mode)) return [];
  const path = ["databaseTls"];
  const setting = `${key}.databaseTls`;
  if (mode === "verify-full") {
    const message = `acknowledges what is not so: its image verifies the database's server in full. Remove it: npx pulumi config rm --path ${setting}`;
    return [{ path, input: acknowledged, message }];
  }
  const [system = ""] = key.split(":");
  const gap =
    mode === "require"
      ? "its image encrypts the connection to the database and does not check who answers (require), so whoever answers in the server's place gets the password and the data"
      : "its image checks who signed the certificate of the database's server and not the name in it (verify-ca), so another server of that authority gets the password and the data";
  const message =
    `${acknowledged === undefined ? "missing" : "is not its mode"}; ${gap}. Have the image check it and say verify-full in stacks/${system}.ts, ` +
    `or acknowledge it: npx pulumi config set --path ${setting} ${mode}`;
  return [{ path, input: acknowledged, message }];
}
