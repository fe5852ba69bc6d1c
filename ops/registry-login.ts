import { z } from "zod";
import { loginServer, ownRegistryUser, passwordKey } from "../components/host/registries.ts";
import { isObject, type Json, parseDeployment, resourceName, resources, textOf } from "./deployment.ts";
import type { RunCommand } from "./run.ts";

const shownConfig = z.record(z.string(), z.object({ value: z.string().default("") }));
const registriesSchema = z.record(z.string(), z.object({ user: z.string() }));

interface Login {
  readonly address: string;
  readonly user: string;
  readonly password: string;
}

/**
 * Logs this machine's docker in to the registries of a stack, those of `berth:registries` and those that it serves itself, so that
 * `docker buildx imagetools inspect` can read a version's digest. The passwords are decrypted by pulumi and travel on standard input.
 * @throws when a registry has no password, or refuses it.
 */
export async function logInToRegistries(stack: string, run: RunCommand): Promise<readonly string[]> {
  const logins = [...(await declaredLogins(stack, run)), ...(await ownLogins(stack, run))];
  for (const { address, user, password } of logins) {
    const login = ["login", "--username", user, "--password-stdin", loginServer(address)];
    await run("docker", login, { timeoutSeconds: 60, input: password });
  }
  return logins.map(({ address }) => address);
}

async function declaredLogins(stack: string, run: RunCommand): Promise<Login[]> {
  const args = ["config", "--show-secrets", "--json", "--stack", stack, "--non-interactive"];
  const shown = shownConfig.parse(JSON.parse(await run("pulumi", args, { timeoutSeconds: 60 })));
  const registries = registriesSchema.parse(JSON.parse(shown["berth:registries"]?.value ?? "{}"));
  return Object.entries(registries).map(([address, { user }]) => {
    const key = `berth:${passwordKey(address)}`;
    const password = shown[key]?.value;
    if (password === undefined) throw new Error(`Pulumi.${stack}.yaml: ${key}: missing`);
    return { address, user, password };
  });
}

/** What the last run has left behind of the registries that the stack serves (components/data/registry.ts). */
async function ownLogins(stack: string, run: RunCommand): Promise<Login[]> {
  const args = ["stack", "export", "--show-secrets", "--stack", stack, "--non-interactive"];
  const all = resources(parseDeployment(await run("pulumi", args, { timeoutSeconds: 120 })));
  const outputs = all.find(({ type }) => type === "pulumi:pulumi:Stack")?.outputs;
  return all
    .filter(({ type }) => type === "berth:data:Registry")
    .flatMap(({ urn }) => {
      const name = resourceName(urn);
      const made = all.find((one) => !one.delete && resourceName(one.urn) === `${name}-password`);
      const systems = outputs?.systems;
      const system = isObject(systems) ? systems[name.split("_")[0] ?? ""] : undefined;
      const address = isObject(system) ? textOf(system, "domain") : undefined;
      const password = plaintext(made?.outputs?.result);
      return address === undefined || password === undefined
        ? []
        : [{ address, user: ownRegistryUser, password }];
    });
}

/** A secret of a deployment that was exported with its secrets: JSON within JSON. */
function plaintext(value: Json | undefined): string | undefined {
  const text = isObject(value) && typeof value.plaintext === "string" ? JSON.parse(value.plaintext) : value;
  return typeof text === "string" ? text : undefined;
}
