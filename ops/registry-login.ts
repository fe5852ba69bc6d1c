import { z } from "zod";
import { loginServer, passwordKey } from "../components/host/registries.ts";
import type { RunCommand } from "./run.ts";

const shownConfig = z.record(z.string(), z.object({ value: z.string().default("") }));
const registriesSchema = z.record(z.string(), z.object({ user: z.string() }));

/**
 * Logs this machine's docker in to the registries of a stack, so that `docker buildx imagetools inspect` can read a version's digest.
 * The passwords are decrypted by pulumi and travel on standard input.
 * @throws when a registry has no password, or refuses it.
 */
export async function logInToRegistries(stack: string, run: RunCommand): Promise<readonly string[]> {
  const args = ["config", "--show-secrets", "--json", "--stack", stack, "--non-interactive"];
  const shown = shownConfig.parse(JSON.parse(await run("pulumi", args, { timeoutSeconds: 60 })));
  const registries = registriesSchema.parse(JSON.parse(shown["berth:registries"]?.value ?? "{}"));
  const addresses = Object.keys(registries);
  for (const [address, { user }] of Object.entries(registries)) {
    const key = `berth:${passwordKey(address)}`;
    const password = shown[key]?.value;
    if (password === undefined) throw new Error(`Pulumi.${stack}.yaml: ${key}: missing`);
    const login = ["login", "--username", user, "--password-stdin", loginServer(address)];
    await run("docker", login, { timeoutSeconds: 60, input: password });
  }
  return addresses;
}
