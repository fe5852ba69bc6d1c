import { z } from "zod";
import { daysSince } from "../secrets/records.ts";

/** Registries that ask for a login, as `berth:registries` names them: what needs no resource. */

const registryAddress = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9.-]*(:\d+)?$/,
    "is not a registry's address; use what its images' repositories begin with, as in ghcr.io or registry.example.org:5000",
  );
const registrySchema = z.strictObject({
  user: z.string().min(1),
  /** The last day on which the password is good; a preview warns 14 days before. */
  passwordExpires: z.iso.date('is not a date; use a form like "2027-01-31", with the quotes').optional(),
});
export type Registry = Readonly<z.infer<typeof registrySchema>>;

/** `berth:registries`, by address; the password of each is a secret of its own, `registryPassword.<address>`. */
export const registriesSchema = z.record(registryAddress, registrySchema);

/** The one user of a registry that the stack serves: what its htpasswd lets in may push and pull everything, so a second one would be no smaller. */
export const ownRegistryUser = "berth";

/** How long pulling an image may take, and how long nothing of it may arrive: `berth:pulls`. */
export const pullPatienceSchema = z
  .strictObject({
    deadlineSeconds: z.int().min(30).max(7200).default(900),
    stalledSeconds: z.int().min(10).max(900).default(120),
  })
  .prefault({});
export type PullPatience = Readonly<z.infer<typeof pullPatienceSchema>>;

/** How long before a password's last day a preview begins to warn. */
const warningDays = 14;

/** The registry of an image: `ghcr.io` for `ghcr.io/owner/name@sha256:…`. */
export function registryOf(reference: string): string {
  return reference.split("/", 1)[0] ?? "";
}

/** The registry as `docker login` and Docker's file of logins call it: Docker Hub has a name of its own there. */
export function loginServer(address: string): string {
  return address === "docker.io" ? "https://index.docker.io/v1/" : address;
}

/** Key of a registry's password in the namespace `berth`; a key of Pulumi's has one colon. */
export function passwordKey(address: string): string {
  return `registryPassword.${address.replace(":", "_")}`;
}

/** The command that sets a registry's password. */
export function setPassword(address: string, stack: string): string {
  return `cat password.txt | npx pulumi config set --secret berth:${passwordKey(address)} --stack ${stack}`;
}

/** Passwords that end soon or have ended. */
export function passwordWarnings(
  registries: Readonly<Record<string, Registry>>,
  about: { readonly stack: string; readonly now: Date },
): string[] {
  return Object.entries(registries).flatMap(([address, { passwordExpires: day }]) => {
    if (day === undefined) return [];
    const left = -daysSince(day, about.now);
    if (left > warningDays) return [];
    const ends =
      left < 0
        ? `expired on ${day}, and ${address} may refuse the next pull`
        : `expires on ${day}, ${left === 0 ? "today" : `in ${left === 1 ? "1 day" : `${left} days`}`}`;
    return [
      `berth:registries.${address}.passwordExpires: the password ${ends}. Set a new one: ${setPassword(address, about.stack)}, ` +
        `then its day: npx pulumi config set --path 'berth:registries["${address}"].passwordExpires' YYYY-MM-DD --stack ${about.stack}`,
    ];
  });
}
