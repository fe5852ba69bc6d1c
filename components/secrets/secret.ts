/**
 * A secret that a system needs and a person sets, with `pulumi config set --secret <system>:<key>`. Internal ones
 * (a database role's password) are no part of this: the program makes them with `@pulumi/random`.
 */
export interface SecretSpec {
  /** For the person who has to set it: what it is. */
  readonly description: string;
  readonly format: SecretFormat;
  /** Rotate when older than this; `ops status` warns. */
  readonly rotateAfterDays?: number;
}

/** What the value looks like: checked when the configuration is parsed, and what the lab makes up. */
export type SecretFormat =
  | { readonly kind: "base64"; readonly bytes: number }
  | { readonly kind: "hex"; readonly bytes: number }
  /** Any text of at least this length: given by somebody else (an API token), or `random`, made by whoever sets it. */
  | { readonly kind: "text"; readonly minimumLength: number; readonly random?: true }
  /** Chosen by a person: of at least this length, with lower and upper case, a digit and a symbol, as most products ask for. */
  | { readonly kind: "password"; readonly minimumLength: number }
  /** Where and as whom a service of somebody else is used: anybody could guess it, and environments may share it. */
  | { readonly kind: "host" | "port" | "address" }
  /** Letters and digits, exactly so many, as the key of a cipher that is read as text. */
  | { readonly kind: "characters"; readonly length: number };

/** Whether a value could be found by trying: nothing about it is recorded, and another environment may have the same. */
export function canBeGuessed({ kind }: SecretFormat): boolean {
  return kind === "host" || kind === "port" || kind === "address";
}

/** The command that makes a value of this format and prints it, for error messages and the reference. */
export function generateCommand(format: SecretFormat): string {
  switch (format.kind) {
    case "base64":
      return `openssl rand -base64 ${format.bytes}`;
    case "hex":
      return `openssl rand -hex ${format.bytes}`;
    case "text":
      return format.random ? `openssl rand -base64 ${format.minimumLength}` : "cat value.txt";
    case "host":
    case "port":
    case "address":
      return "cat value.txt";
    case "password":
      return `echo "$(openssl rand -base64 ${format.minimumLength})-Aa1"`;
    case "characters":
      return `openssl rand -hex ${Math.ceil(format.length / 2)} | cut -c 1-${format.length}`;
  }
}

/** What is wrong with a value, in words that never contain it; undefined when nothing is. */
export function secretProblem(format: SecretFormat, value: string): string | undefined {
  switch (format.kind) {
    case "base64": {
      if (!/^[A-Za-z0-9+/]+={0,2}$/.test(value)) return "is not base64";
      const bytes = Buffer.from(value, "base64").length;
      return bytes < format.bytes ? `has ${bytes} bytes, needs at least ${format.bytes}` : undefined;
    }
    case "hex": {
      if (!/^([0-9a-fA-F]{2})+$/.test(value)) return "is not hexadecimal";
      const bytes = value.length / 2;
      return bytes < format.bytes ? `has ${bytes} bytes, needs at least ${format.bytes}` : undefined;
    }
    case "characters":
      if (!/^[A-Za-z0-9]*$/.test(value)) return "has characters other than letters and digits";
      return value.length === format.length
        ? undefined
        : `has ${value.length} characters, needs exactly ${format.length}`;
    case "password": {
      const wanted = { "a lower-case letter": /[a-z]/, "an upper-case letter": /[A-Z]/, "a digit": /\d/ };
      const kinds = Object.entries({ ...wanted, "a symbol": /[^A-Za-z0-9\s]/ });
      const missing = kinds.filter(([, pattern]) => !pattern.test(value)).map(([what]) => what);
      if (missing.length > 0) return `lacks ${missing.join(", ")}`;
      return tooShort(value, format.minimumLength);
    }
    case "host":
      return /^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]*[a-z0-9])?$/i.test(value)
        ? undefined
        : "is not the name or IPv4 address of a host; leave out scheme, port and path";
    case "port":
      return /^[1-9]\d{0,4}$/.test(value) && Number(value) <= 65_535
        ? undefined
        : "is not a port; use a number from 1 to 65535";
    case "address":
      return /[^\s<>@]+@[^\s<>@]+>?$/.test(value)
        ? undefined
        : "is not an e-mail address; use a form like coach@example.org or Coach <coach@example.org>";
    case "text":
      return tooShort(value, format.minimumLength);
  }
}

function tooShort(value: string, least: number): string | undefined {
  return value.length < least ? `has ${value.length} characters, needs at least ${least}` : undefined;
}
