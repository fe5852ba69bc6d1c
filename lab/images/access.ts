import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { LabHome } from "../home.ts";

/** Who may pull from the lab's registry, and how fast: read for each request, so that changes apply to a running lab. */
export interface RegistryAccess {
  /** The required login; when left out, no login is required. */
  readonly login?: { readonly user: string; readonly password: string } | undefined;
  /** The login has expired: every pull is refused. */
  readonly expired?: boolean | undefined;
  /** For each layer; at 0 the transfer stops until it changes. Unlimited when left out. */
  readonly bytesPerSecond?: number | undefined;
}

const loginSchema = z.object({ user: z.string(), password: z.string() });
const faultSchema = z.object({
  expired: z.boolean().optional(),
  bytesPerSecond: z.number().min(0).optional(),
});

export function registryFiles(home: LabHome) {
  return {
    /** `{ user, password }`: written by `up` for a stack whose registry requires a login. */
    login: join(home.stateDir, "registry-login.json"),
    /** `{ expired, bytesPerSecond }`: injected faults, written by tests. */
    faults: join(home.stateDir, "registry-faults.json"),
  };
}

export function readAccess(home: LabHome): RegistryAccess {
  const { login, faults } = registryFiles(home);
  const read = (path: string): unknown => JSON.parse(readFileSync(path, "utf8"));
  return {
    ...(existsSync(login) ? { login: loginSchema.parse(read(login)) } : {}),
    ...(existsSync(faults) ? faultSchema.parse(read(faults)) : {}),
  };
}
