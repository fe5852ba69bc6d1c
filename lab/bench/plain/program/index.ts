/** Declares the resources of a file (`BENCH_RESOURCES`, written by ../prepare.ts), one by one. */
import { readFileSync } from "node:fs";
import { ComponentResource, CustomResource, ProviderResource, type Resource, secret } from "@pulumi/pulumi";
import { isProviderType, packageOf } from "../../../pulumi/engine/urn.ts";
import type { PlainResource } from "../resources.ts";

class Provider extends ProviderResource {}
class Custom extends CustomResource {}

const resources: PlainResource[] = JSON.parse(readFileSync(String(process.env.BENCH_RESOURCES), "utf8"));
const declared = new Map<string, Resource>();
const of = (urns: readonly string[]) => urns.flatMap((urn) => declared.get(urn) ?? []);

for (const { urn, type, name, custom, inputs, references, ...rest } of resources) {
  const [parent] = of([references.parent]);
  const [deletedWith] = of([references.deletedWith]);
  const [provider] = of([references.provider]);
  const options = {
    ...rest,
    ...(parent === undefined ? {} : { parent }),
    ...(deletedWith === undefined ? {} : { deletedWith }),
    ...(provider instanceof ProviderResource ? { provider } : {}),
    dependsOn: of(references.dependencies),
  };
  const values = Object.fromEntries(
    Object.entries(inputs).map(([key, { value, isSecret }]) => [key, isSecret ? secret(value) : value]),
  );
  const make = () => {
    if (isProviderType(type)) return new Provider(packageOf(type), name, values, options);
    return custom ? new Custom(type, name, values, options) : new ComponentResource(type, name, {}, options);
  };
  declared.set(urn, make());
}
