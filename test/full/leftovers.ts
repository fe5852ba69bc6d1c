import { cloudEndpoint, cloudToken } from "../../lab/stack/cloud-access.ts";
import { Cloud } from "../../ops/cloud.ts";
import { pendingOperations, resources } from "../../ops/deployment.ts";
import { observeHost } from "../../ops/host.ts";
import { hostsOf } from "../../ops/host-access.ts";
import { planRecovery } from "../../ops/plan.ts";
import { runCommand } from "../../ops/run.ts";
import { backend, home, stack, tested } from "./support.ts";

/**
 * Everything that should not exist: objects outside of the state, pending operations, resources awaiting deletion, resources
 * without an object, locks, slots besides the serving one.
 */
export async function leftovers(): Promise<string[]> {
  const found: string[] = [];
  const deployment = await backend.read();
  const known = resources(deployment);
  for (const { type, resource } of pendingOperations(deployment))
    found.push(`pending: ${type} ${resource.urn}`);
  for (const { urn, delete: old } of known) if (old) found.push(`awaits deletion: ${urn}`);
  if ((await backend.lock()) !== undefined) found.push("a deploy lock");
  const hosts = hostsOf(deployment, runCommand);
  const worlds = await Promise.all(hosts.map((host) => observeHost(host, deployment, stack)));
  const cloud = await new Cloud({ endpoint: cloudEndpoint(home), token: cloudToken(home) }).list(stack);
  for (const action of planRecovery(deployment, { hosts: worlds, cloud })) {
    if (action.kind === "keep") found.push(`unknown: ${action.what}`);
    else if ("object" in action) found.push(`unknown: ${action.object.kind} ${action.object.name}`);
    else found.push(action.kind);
  }
  const objects = worlds.flatMap((world) => world.objects);
  for (const { type, id, urn } of known) {
    if (type.startsWith("docker:") && !objects.some((object) => object.id === id)) found.push(`gone: ${urn}`);
  }
  const kept = worlds.flatMap((world) => world.kept);
  for (const each of [tested.service, ...tested.companions]) {
    const slots = objects.filter(
      ({ kind, resource, name }) =>
        kind === "service" && resource === `${tested.name}_${each}` && !kept.includes(name),
    );
    if (slots.length !== 1)
      found.push(`${slots.length} slots of ${each}: ${slots.map(({ name }) => name).join(", ")}`);
  }
  for (const { commands, provider } of worlds)
    if (commands > 0) found.push(`${commands} commands on ${provider}`);
  return found;
}
