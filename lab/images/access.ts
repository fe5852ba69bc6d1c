import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { LabHome } from "../home.ts";

/** Who may pull from the lab's registry, and how fast: read anew for each request, so that a running lab takes a change. */
export interface RegistryAccess {
  /** The one login; left out, everybody pulls. */
  readonly login?: { readonly user: string; readonly password: string } | undefined;
  /** The login is over: nobody pulls. */
  readonly expired?: boolean | undefined;
  /** Of each layer; 0 stands still until it changes. Left out, as fast as it goes. */
  readonly bytesPerSecond?: number | undefined;
}

const loginSchema = z.object({ user: z.string(), password: z.string() });
const faultSchema = z.object({
  expired: z.boolean().optional(),
  bytesPerSecond: z.number().min(0).optional(),
});

export function registryFiles(home: LabHome) {
  return {
    /** `{ user, password }`: written by `up` for a stack whose images need a login. */
    login: join(home.stateDir, "registry-login.json"),
    /** `{ expired, bytesPerSecond }`: faults, written by whoever rehearses them. */
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
