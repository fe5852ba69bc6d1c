import type { Check } from "./checks.ts";
import { ofDocker } from "./docker.ts";
import { ofSsh, ofSshd, ofTheSystem } from "./host.ts";

/** By control. */
export const checks: Readonly<Record<string, Check>> = { ...ofSshd, ...ofSsh, ...ofTheSystem, ...ofDocker };
