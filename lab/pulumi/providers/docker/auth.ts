import { isProperties } from "../property-values.ts";
import type { PropertyValue } from "../provider.ts";

/** One entry of the provider's `registryAuth`. */
export interface RegistryAuth {
  /** `registry.example.org:5000`, without a scheme. */
  readonly address: string;
  readonly username: string;
  readonly password: string;
}

const withoutScheme = (address: string) => address.replace(/^https?:\/\//, "").replace(/\/$/, "");

/** The provider's `registryAuth` setting. Throws for an entry without address, username and password. */
export function registryAuths(value: PropertyValue | undefined): RegistryAuth[] {
  if (value === undefined || value === null) {
    return [];
  }
  return (Array.isArray(value) ? value : [value]).map((entry: PropertyValue) => {
    const { address, username, password } = isProperties(entry) ? entry : {};
    if (typeof address !== "string" || typeof username !== "string" || typeof password !== "string") {
      throw new Error(
        "docker:registryAuth: each entry needs address, username and password; the lab reads no configuration files",
      );
    }
    return { address: withoutScheme(address), username, password };
  });
}

/** The authentication header for pulls by the nodes: the service's own `auth`, else the provider's for the image's registry. */
export function authHeader(
  auth: PropertyValue | undefined,
  registries: readonly RegistryAuth[],
  image: string,
): Record<string, string> {
  const own = isProperties(auth) && auth.username && auth.password ? auth : undefined;
  const shared = registries.find((entry) => entry.address === withoutScheme(image).split("/")[0]);
  const found = own
    ? { username: own.username, password: own.password, serveraddress: own.serverAddress }
    : shared && { username: shared.username, password: shared.password, serveraddress: shared.address };
  return found ? { "X-Registry-Auth": Buffer.from(JSON.stringify(found)).toString("base64url") } : {};
}
