import type { Alias } from "@pulumi/pulumi/proto/alias_pb.js";
import type { RegisterResourceRequest } from "@pulumi/pulumi/proto/resource_pb.js";
import type { CustomTimeouts } from "./resource-state.ts";
import { type HookNames, hookMoments } from "./resource-state.ts";
import { isProviderType, makeUrn, nameOf, typeOf } from "./urn.ts";
import type { PropertyMap, Value } from "./values.ts";
import { valueFromWire } from "./wire.ts";

/** A former name of a resource: its whole URN, or the parts that were different. */
export interface AliasSpec {
  readonly urn?: string;
  readonly name?: string;
  readonly type?: string;
  readonly stack?: string;
  readonly project?: string;
  readonly parent?: string;
  readonly noParent?: boolean;
}

/** The state that a program declares for one resource. The monitor resolves the provider and what is inherited from the parent. */
export interface Goal {
  readonly type: string;
  readonly name: string;
  readonly custom: boolean;
  readonly parent: string;
  readonly properties: PropertyMap;
  readonly protect: boolean | undefined;
  readonly retainOnDelete: boolean | undefined;
  readonly deletedWith: string;
  /** `<urn>::<id>`; empty for components and providers. */
  readonly provider: string;
  readonly dependencies: readonly string[];
  readonly propertyDependencies: Readonly<Record<string, readonly string[]>>;
  readonly deleteBeforeReplace: boolean | undefined;
  readonly ignoreChanges: readonly string[];
  readonly replaceOnChanges: readonly string[];
  /** The resource is replaced when this differs from the recorded value; null has no effect. */
  readonly replacementTrigger: Value;
  readonly additionalSecretOutputs: readonly string[];
  readonly aliases: readonly AliasSpec[];
  /** The option import: id of the existing resource; empty for none. */
  readonly importId: string;
  readonly customTimeouts: CustomTimeouts;
  readonly hooks: HookNames;
}

/** A request for a feature that the lab's engine does not support. The message names the feature. */
export class Unsupported extends Error {
  constructor(what: string) {
    super(`the lab's engine does not support ${what}; use a real pulumi for it (--engine pulumi)`);
  }
}

/** Throws {@link Unsupported} for options that Pulumi supports and this engine does not. */
function refuseUnsupported(request: RegisterResourceRequest): void {
  const refuse = (option: string, given: boolean) => {
    if (given) throw new Unsupported(`${option} (used by ${request.getType()} "${request.getName()}")`);
  };
  refuse("remote components", request.getRemote());
  refuse("the option replaceWith", request.getReplaceWithList().length > 0);
  refuse("the option hideDiffs", request.getHidediffsList().length > 0);
  refuse("the option envVarMappings", request.getEnvvarmappingsMap().getLength() > 0);
  refuse("the option pluginDownloadURL", request.getPlugindownloadurl() !== "");
  refuse("transforms", request.getTransformsList().length > 0);
  refuse("state migrations", request.getStateMigrationsList().length > 0);
  refuse("snippets", request.getSnippetid() !== "");
  refuse("parameterized packages", request.getPackageref() !== "");
  refuse("error hooks", (request.getHooks()?.getOnErrorList() ?? []).length > 0);
}

const secondsPerUnit: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3600 };

/** Go's duration syntax (`1h30m`, `90s`) in seconds. Throws for anything else. */
export function parseDuration(text: string): number {
  if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text)) {
    throw new Error(`customTimeouts: "${text}" is not a duration; examples: 30s, 5m, 1h30m`);
  }
  let seconds = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)) {
    seconds += Number(amount) * (secondsPerUnit[unit ?? ""] ?? 0);
  }
  return seconds;
}

function timeoutsOf(request: RegisterResourceRequest): CustomTimeouts {
  const given = request.getCustomtimeouts();
  if (!given) return {};
  const [create, update, deletion] = [given.getCreate(), given.getUpdate(), given.getDelete()];
  return {
    ...(create !== "" && { create: parseDuration(create) }),
    ...(update !== "" && { update: parseDuration(update) }),
    ...(deletion !== "" && { delete: parseDuration(deletion) }),
  };
}

function hooksOf(request: RegisterResourceRequest): HookNames {
  const given = request.getHooks();
  if (!given) return {};
  const names = hookMoments.map((moment) => [moment, given[`get${moment}List`]()] as const);
  return Object.fromEntries(names.filter(([, list]) => list.length > 0));
}

function aliasOf(alias: Alias): AliasSpec {
  const spec = alias.getSpec();
  if (!spec) return { urn: alias.getUrn() };
  return {
    name: spec.getName(),
    type: spec.getType(),
    stack: spec.getStack(),
    project: spec.getProject(),
    parent: spec.getParenturn(),
    noParent: spec.getNoparent(),
  };
}

/** The former URN that an alias gives a resource. */
export function aliasUrn(
  alias: AliasSpec,
  self: { name: string; type: string; parent: string; stack: string; project: string },
): string {
  if (alias.urn) return alias.urn;
  const parent = alias.noParent ? "" : alias.parent || self.parent;
  return makeUrn(
    alias.stack || self.stack,
    alias.project || self.project,
    parent,
    alias.type || self.type,
    alias.name || self.name,
  );
}

/** The former URN of a child whose parent had another name; a child's name that begins with its parent's name changes with it. */
export function inheritedAlias(
  child: { type: string; name: string },
  parentName: string,
  parentAlias: string,
): string {
  const [, , stackName] = parentAlias.split(":");
  const [stack, project] = [stackName ?? "", parentAlias.split("::")[1] ?? ""];
  const follows = child.name.startsWith(parentName);
  const name = follows ? nameOf(parentAlias) + child.name.slice(parentName.length) : child.name;
  return makeUrn(stack, project, parentAlias, child.type, name);
}

/** Reads a registration. Throws {@link Unsupported} with the name of a feature that this engine does not support. */
export function goalOf(request: RegisterResourceRequest): Goal {
  refuseUnsupported(request);
  const type = request.getType();
  const dependencies = new Set(request.getDependenciesList());
  const found = new Map<string, Set<string>>();
  const properties: Record<string, PropertyMap[string]> = {};
  const label = `${type} "${request.getName()}"`;
  // An output value contains its dependencies, so each property is read separately to assign them to the property.
  for (const [key, raw] of Object.entries(request.getObject()?.toJavaScript() ?? {})) {
    const urns = new Set<string>();
    properties[key] = valueFromWire(raw, { label, dependency: (urn) => urns.add(urn) });
    found.set(key, urns);
  }
  const declared = request.getPropertydependenciesMap();
  const propertyDependencies: Record<string, string[]> = {};
  for (const key of new Set([...Object.keys(properties), ...[...declared.keys()].map(String)])) {
    const urns = declared.getLength() === 0 ? [...dependencies] : (declared.get(key)?.getUrnsList() ?? []);
    propertyDependencies[key] = [...new Set([...urns, ...(found.get(key) ?? [])])];
  }
  if (isProviderType(type) && request.getVersion() !== "") properties.version = request.getVersion();
  if (isProviderType(type)) properties.__internal = {};
  return {
    type,
    name: request.getName(),
    custom: request.getCustom(),
    parent: request.getParent(),
    properties,
    protect: request.hasProtect() ? request.getProtect() : undefined,
    retainOnDelete: request.hasRetainondelete() ? request.getRetainondelete() : undefined,
    deletedWith: request.getDeletedwith(),
    provider: "",
    dependencies: [...dependencies],
    propertyDependencies,
    deleteBeforeReplace:
      request.getDeletebeforereplacedefined() || request.getDeletebeforereplace()
        ? request.getDeletebeforereplace()
        : undefined,
    ignoreChanges: request.getIgnorechangesList(),
    replaceOnChanges: request.getReplaceonchangesList(),
    replacementTrigger: valueFromWire(request.getReplacementTrigger()?.toJavaScript(), { label }),
    additionalSecretOutputs: request.getAdditionalsecretoutputsList(),
    aliases: [
      ...request.getAliasurnsList().map((urn) => ({ urn })),
      ...request.getAliasesList().map(aliasOf),
    ],
    importId: request.getImportid(),
    customTimeouts: timeoutsOf(request),
    hooks: hooksOf(request),
  };
}

/** The options that a child inherits from its parent unless it sets them itself. */
export function inheritFromParent(goal: Goal, parent: Goal | undefined): Goal {
  if (!parent) return goal;
  return {
    ...goal,
    protect: goal.protect ?? parent.protect,
    retainOnDelete: goal.retainOnDelete ?? parent.retainOnDelete,
    deletedWith: goal.deletedWith || parent.deletedWith,
  };
}

/** The goal of the default provider that Pulumi registers when a program names no provider. */
export function defaultProviderGoal(type: string, name: string, properties: PropertyMap): Goal {
  return {
    type,
    name,
    custom: true,
    parent: "",
    properties: { ...properties, __internal: {} },
    protect: undefined,
    retainOnDelete: undefined,
    deletedWith: "",
    provider: "",
    dependencies: [],
    propertyDependencies: {},
    deleteBeforeReplace: undefined,
    ignoreChanges: [],
    replaceOnChanges: [],
    replacementTrigger: null,
    additionalSecretOutputs: [],
    aliases: [],
    importId: "",
    customTimeouts: {},
    hooks: {},
  };
}

/** The package of a provider reference's type, for matching a parent's provider. */
export function providerPackage(reference: string): string {
  return typeOf(reference).split(":").at(-1) ?? "";
}
