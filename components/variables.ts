import { z } from "zod";

export interface VariableNames {
  /** Where the variables stand in the configuration: `togather:app.environment`. */
  readonly path: `${string}:${string}`;
  /** Variables that the stack file sets itself, and the setting that each follows: `PORT: "togather:app.port"`; undefined for none. */
  readonly set: Readonly<Record<string, string | undefined>>;
  /** Variables that are secrets, and the key of each: `JWT_SECRET: "togather:jwtSecret"`; undefined for one that Berth makes. */
  readonly secrets: Readonly<Record<string, string | undefined>>;
  /** Variables that the image does not read although somebody may think so, and what to do instead. */
  readonly refused?: Readonly<Record<string, string>>;
  /** What to do with a credential instead; where left out, a secret of the system. */
  readonly credentials?: string;
}

/** Keys that are published on purpose are none. */
const credentialName = /(PASSWORD|SECRET|TOKEN|KEY)$/;
const publishedName = /PUBLI(C|SHABLE)_KEY$/;
const urlWithPassword = /[a-z][a-z0-9+.-]*:\/\/[^\s/:@]*:[^\s/@]+@/i;
const privateKey = /-----BEGIN [A-Z ]*PRIVATE KEY-----/;

/**
 * Schema of a service's plain variables: name to text, number or boolean, as the image's documentation names them. They stand in clear
 * in the stack's file and in the service's specification, so names of secrets and what looks like a credential are refused, with the
 * command that makes it a secret; no message shows such a value. A change is a new slot.
 */
export function plainVariables(names: VariableNames) {
  return z.record(z.string(), z.unknown()).transform((entries, context) => {
    for (const [name, value] of Object.entries(entries)) {
      const message = nameProblem(names, name) ?? valueProblem(names, name, value);
      if (message === undefined) continue;
      context.addIssue({ code: "custom", path: [name], message, params: { hideValue: true } });
    }
    return Object.fromEntries(Object.entries(entries).map(([name, value]) => [name, String(value)]));
  });
}

function nameProblem(names: VariableNames, name: string): string | undefined {
  const { path, set, secrets, refused = {} } = names;
  if (!/^[A-Z][A-Z0-9_]*$/.test(name)) {
    return "is not the name of a variable; use upper-case letters, digits and _, a letter first, as in CORS_ALLOWED_ORIGINS";
  }
  const remove = `Remove it: npx pulumi config rm --path ${path}.${name}`;
  if (name in refused) return `${refused[name]}. ${remove}`;
  if (name in set) {
    const setting = set[name];
    return `${setting === undefined ? "is set by Berth" : `follows ${setting}, which is what to set`}. ${remove}`;
  }
  if (name in secrets) {
    const key = secrets[name];
    return key === undefined
      ? `is a secret that Berth makes. ${remove}`
      : `is the secret ${key}. ${remove}. Set the secret: ${setSecret(key)}`;
  }
  return credentialName.test(name) && !publishedName.test(name)
    ? credentialProblem(names, name, "is a credential by its name")
    : undefined;
}

function valueProblem(names: VariableNames, name: string, value: unknown): string | undefined {
  if (!["string", "number", "boolean"].includes(typeof value)) {
    return "has the wrong type; use text, a number, true or false";
  }
  const text = String(value);
  if (urlWithPassword.test(text)) return credentialProblem(names, name, "holds a URL with a password");
  if (privateKey.test(text)) return credentialProblem(names, name, "holds a private key");
  return /[\r\n\0]/.test(text) ? "contains a line break; use a single line" : undefined;
}

function credentialProblem({ path, credentials }: VariableNames, name: string, what: string): string {
  const [system = ""] = path.split(":");
  const key = name.toLowerCase().replace(/_+([a-z0-9])/g, (_all, letter: string) => letter.toUpperCase());
  const remove = `Remove it: npx pulumi config rm --path ${path}.${name}`;
  if (credentials !== undefined) return `${what}, ${credentials}. ${remove}`;
  return (
    `${what}, and a plain variable stands in clear in this file and on the host. ${remove}. ` +
    `Declare the secret "${key}" in stacks/${system}.ts, then set it: ${setSecret(`${system}:${key}`)}`
  );
}

function setSecret(key: string): string {
  return `cat value.txt | npx pulumi config set --secret ${key}`;
}
