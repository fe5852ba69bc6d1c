import { z } from "zod";

/** What several components' configuration has in common: each says what is wrong with a value and what is allowed. */

/** What to write where a value is missing or of another type: the second argument of an object, the first of anything else. */
export const use = (what: string) => ({
  error: ({ code, input }: { readonly code: string; readonly input?: unknown }) =>
    code === "invalid_type"
      ? `${input === undefined ? "missing" : "has the wrong type"}; use ${what}`
      : undefined,
});

/** A whole number within limits, which every message says. */
export function wholeNumber(least: number, most?: number) {
  const allowed = `use ${least} ${most === undefined ? "or more" : `to ${most}`}`;
  const number = z
    .int({
      error: ({ input }) => `${input === undefined ? "missing" : "is not a whole number"}; ${allowed}`,
    })
    .min(least, `is too small; ${allowed}`);
  return most === undefined ? number : number.max(most, `is too large; ${allowed}`);
}

/** Name of a host. */
export const nameSchema = z
  .string()
  .regex(
    /^[a-z][a-z0-9]{0,19}$/,
    "is not a name; use lower-case letters and digits, at most 20, a letter first",
  );

/** Name of a system or of a repository: words as {@link nameSchema} has them, joined by hyphens. */
export const hyphenatedNameSchema = z
  .string()
  .regex(
    /^(?=.{1,20}$)[a-z][a-z0-9]*(-[a-z0-9]+)*$/,
    "is not a name; use lower-case letters and digits, words joined by single hyphens, at most 20, a letter first",
  );

export const domainSchema = z
  .string()
  .regex(
    /^(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$/,
    "is not a domain; use lower-case labels with dots, without scheme, port or path, as in app.example.org",
  );

export const portSchema = z
  .int()
  .min(1, "is not a port; use 1 to 65535")
  .max(65535, "is not a port; use 1 to 65535");

/** Whether a URL is one of these schemes, a host and a port, and nothing else. */
export function isHostUrl(text: string, schemes: readonly string[], portNeeded = false): boolean {
  const [, scheme = "", port] =
    /^([a-z]+):\/\/[a-z0-9]+(?:-+[a-z0-9]+)*(?:\.[a-z0-9]+(?:-+[a-z0-9]+)*)*(?::(\d{1,5}))?$/.exec(text) ??
    [];
  return (
    schemes.includes(scheme) &&
    (port === undefined ? !portNeeded : portSchema.safeParse(Number(port)).success)
  );
}

/** Text with no login in it, which would be stored in clear; one that is there is not printed. @param instead where it belongs */
export const textWithoutLogin = (text: z.ZodString, instead: string, login = /@/) =>
  text.refine((value) => !login.test(value), {
    error: `has a login in it, which would be stored unencrypted; ${instead}`,
    params: { hideValue: true },
    abort: true,
  });

/** One certificate or a chain, PEM. A private key that stands there by mistake is not printed. */
export const certificateSchema = z
  .string()
  .refine((text) => !text.includes("PRIVATE KEY"), {
    error:
      "has a private key in it, which would be stored unencrypted; use the certificate alone, and a new key",
    params: { hideValue: true },
    abort: true,
  })
  .regex(
    /^-----BEGIN CERTIFICATE-----[\s\S]+-----END CERTIFICATE-----\s*$/,
    "is not a PEM certificate; cat the file that holds the chain",
  );

/** Processors that a task or a job may use, as in 0.5; where it is left out, as many as there are. */
export const cpusSchema = z.number().min(0.1, "is too small; use 0.1 or more").max(64);

/** Memory limit of one task, in MiB. */
export const memorySchema = z.int().min(64, "is too small; use 64 or more");
