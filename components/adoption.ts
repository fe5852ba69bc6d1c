import type { CustomResourceOptions } from "@pulumi/pulumi";

/** `berth:adopt`: names of resources, as a preview shows them, to the ids of what is there at Hetzner already. */
export type Adoptions = Readonly<Record<string, string>>;

/**
 * Options by which a resource takes over what is there instead of making it: Pulumi's `import`. It changes nothing on it, and all
 * its changes are ignored, for as long as `berth:adopt` names it; without that, the next preview shows what Berth would change. An id
 * that is the resource's already is no change; another one would replace it, which `protect` refuses.
 * @param args what the program declares of the resource
 */
export function adoption(adoptions: Adoptions, name: string, args: object): CustomResourceOptions {
  const id = adoptions[name];
  return id === undefined ? {} : { import: id, ignoreChanges: [...new Set(["name", ...Object.keys(args)])] };
}
