import { z } from "zod";

/** What several components' configuration has in common: each says what is wrong with a value and what is allowed. */

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

/** Processors that a task or a job may use, as in 0.5; where it is left out, as many as there are. */
export const cpusSchema = z.number().min(0.1, "is too small; use 0.1 or more").max(64);

/** Memory limit of one task, in MiB. */
export const memorySchema = z.int().min(64, "is too small; use 64 or more");
