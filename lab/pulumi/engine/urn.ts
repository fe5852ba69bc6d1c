/** The type of the root stack resource. */
export const stackType = "pulumi:pulumi:Stack";
const providerPrefix = "pulumi:providers:";

/** The URN of a resource; it begins with the parent's types, unless the parent is the stack. */
export function makeUrn(stack: string, project: string, parent: string, type: string, name: string): string {
  const parentType = parent === "" ? "" : qualifiedType(parent);
  const types = parentType === "" || parentType === stackType ? type : `${parentType}$${type}`;
  return `urn:pulumi:${stack}::${project}::${types}::${name}`;
}

/** All types from the outermost parent on, joined by `$`. */
function qualifiedType(urn: string): string {
  return urn.split("::")[2] ?? "";
}

/** The resource's own type. */
export function typeOf(urn: string): string {
  return qualifiedType(urn).split("$").at(-1) ?? "";
}

/** The resource's name, which may itself contain `::`. */
export function nameOf(urn: string): string {
  return urn.split("::").slice(3).join("::");
}

/** True for `pulumi:providers:<package>`. */
export function isProviderType(type: string): boolean {
  return type.startsWith(providerPrefix);
}

/** The type of the provider resources of a package. */
export function providerType(packageName: string): string {
  return providerPrefix + packageName;
}

/** The package that a provider type, resource type or function token belongs to. */
export function packageOf(token: string): string {
  return isProviderType(token) ? token.slice(providerPrefix.length) : (token.split(":")[0] ?? "");
}
