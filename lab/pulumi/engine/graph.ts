import type { ResourceState } from "./resource-state.ts";

/** The URN in a provider reference `<urn>::<id>`; empty for an empty reference. */
export function providerUrn(reference: string): string {
  return reference.slice(0, Math.max(0, reference.lastIndexOf("::")));
}

/** The id in a provider reference `<urn>::<id>`. */
export function providerId(reference: string): string {
  const end = reference.lastIndexOf("::");
  return end < 0 ? "" : reference.slice(end + 2);
}

/** URNs that a resource needs to exist: dependencies, property dependencies, the resource it is deleted with. */
export function dependencyUrns(state: ResourceState): Set<string> {
  const urns = new Set(state.dependencies);
  for (const list of Object.values(state.propertyDependencies)) for (const urn of list) urns.add(urn);
  if (state.deletedWith !== "") urns.add(state.deletedWith);
  return urns;
}

/**
 * The dependencies between the resources of a deployment. The list is ordered: a resource comes after everything that
 * it depends on. Several resources can have the same URN (replaced ones that are still to be deleted).
 */
export class DependencyGraph {
  readonly #resources: readonly ResourceState[];
  readonly #index = new Map<ResourceState, number>();
  readonly #descendants = new Map<string, number[]>();

  constructor(resources: readonly ResourceState[]) {
    this.#resources = resources;
    const byUrn = new Map<string, ResourceState>();
    for (const [i, state] of resources.entries()) {
      this.#index.set(state, i);
      byUrn.set(state.urn, state);
      for (let urn = state.parent; urn !== ""; urn = byUrn.get(urn)?.parent ?? "") {
        const list = this.#descendants.get(urn);
        if (list) list.push(i);
        else this.#descendants.set(urn, [i]);
      }
    }
  }

  has(state: ResourceState): boolean {
    return this.#index.has(state);
  }

  /** Resources that depend on `root`, directly or not, in dependency order; children only count when they do. */
  dependents(root: ResourceState, ignored: (urn: string) => boolean): ResourceState[] {
    const found: ResourceState[] = [];
    const urns = new Set([root.urn]);
    const start = this.#index.get(root) ?? this.#resources.length;
    for (const candidate of this.#resources.slice(start + 1)) {
      if (ignored(candidate.urn)) continue;
      const needed = dependencyUrns(candidate);
      needed.add(providerUrn(candidate.provider));
      if ([...needed].some((urn) => urns.has(urn))) {
        found.push(candidate);
        urns.add(candidate.urn);
      }
    }
    return found;
  }

  /**
   * The resources that must exist as long as `state` exists: its dependencies, its provider, its parent, and all below a component it
   * depends on.
   */
  dependencies(state: ResourceState): Set<ResourceState> {
    const needed = dependencyUrns(state);
    needed.add(providerUrn(state.provider));
    const found = new Set<ResourceState>();
    const end = this.#index.get(state) ?? 0;
    for (const candidate of this.#resources.slice(0, end)) {
      if (needed.has(candidate.urn)) {
        found.add(candidate);
        if (!candidate.custom) {
          for (const i of this.#descendants.get(candidate.urn) ?? []) {
            const below = this.#resources[i];
            if (i < end && below) found.add(below);
          }
        }
      }
      if (candidate.urn === state.parent) found.add(candidate);
    }
    return found;
  }

  /** {@link dependencies}, and theirs, and so on. */
  transitiveDependencies(state: ResourceState): Set<ResourceState> {
    const found = new Set<ResourceState>();
    const queue = [state];
    for (let next = queue.pop(); next; next = queue.pop()) {
      for (const dependency of this.dependencies(next)) {
        if (!found.has(dependency)) {
          found.add(dependency);
          queue.push(dependency);
        }
      }
    }
    return found;
  }

  /** Groups of resources to delete: all of a group at once, one group after the other, dependents first. */
  deletionOrder(condemned: Iterable<ResourceState>): ResourceState[][] {
    const left = new Set(condemned);
    const groups: ResourceState[][] = [];
    while (left.size > 0) {
      const group = [...left].filter(
        (state) => ![...this.dependencies(state)].some((other) => left.has(other)),
      );
      if (group.length === 0) throw new Error("the state's dependencies form a cycle");
      for (const state of group) left.delete(state);
      groups.unshift(group);
    }
    return groups;
  }
}
