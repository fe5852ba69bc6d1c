import { providerId, providerUrn } from "./graph.ts";
import type { Deployment, OperationType, PendingOperation, ResourceState } from "./resource-state.ts";
import { writeState } from "./state.ts";

/**
 * The deployment while it changes: the resources at the start, those that steps have added, and those that steps
 * have replaced or deleted. Every change is written to disk before the engine continues, so that a run that is killed at any moment can
 * be resumed.
 */
export class Snapshot {
  readonly #base: Deployment;
  /** Undefined in previews, which record nothing. */
  readonly #file: string | undefined;
  readonly #news: ResourceState[] = [];
  readonly #done = new Set<ResourceState>();
  readonly #operations = new Set<PendingOperation>();
  #unwritten = false;
  /** Set by a refresh, after which resources may depend on some that are gone. */
  #pruneDependencies = false;

  constructor(base: Deployment, file: string | undefined) {
    this.#base = base;
    this.#file = file;
  }

  /** Records that an operation starts. Returns a function that records its end; until it is called the operation stays pending. */
  begin(type: OperationType, resource: ResourceState): () => void {
    const operation = { type, resource };
    this.#operations.add(operation);
    this.write();
    return () => this.#operations.delete(operation);
  }

  /** Adds the state a resource has now. */
  add(state: ResourceState): void {
    this.#news.push(state);
    this.#unwritten = true;
  }

  /** Drops a state that was deleted or replaced by another. */
  drop(state: ResourceState): void {
    this.#done.add(state);
    this.#unwritten = true;
  }

  /** Notes that resources were removed from the state while others still refer to them. */
  prune(): void {
    this.#pruneDependencies = true;
  }

  /** The current resources: those that this run has processed, in its order, then the others. */
  resources(): ResourceState[] {
    const all = [...this.#news, ...this.#base.resources].filter((state) => !this.#done.has(state));
    renameAliased(all);
    if (this.#pruneDependencies) pruneDependencies(all);
    return all;
  }

  /** Writes the current deployment. */
  write(): void {
    this.#unwritten = false;
    if (this.#file === undefined) return;
    // Creations that an earlier run left pending may exist unrecorded: only a person, or `ops recover`, can find out.
    const creating = this.#base.pendingOperations.filter((operation) => operation.type === "creating");
    writeState(this.#file, {
      crypter: this.#base.crypter,
      resources: this.resources(),
      pendingOperations: [...this.#operations, ...creating],
    });
  }

  /** Writes what {@link add} and {@link drop} changed and nothing has written since. */
  flush(): void {
    if (this.#unwritten || this.#base.pendingOperations.length > 0) this.write();
  }
}

/** Replaces references to a resource's former URN by its present one. */
function renameAliased(resources: readonly ResourceState[]): void {
  const present = new Map<string, string>();
  for (const state of resources) for (const alias of state.aliases) present.set(alias, state.urn);
  if (present.size === 0) return;
  const fix = (urn: string) => present.get(urn) ?? urn;
  for (const state of resources) {
    state.parent = fix(state.parent);
    state.deletedWith = fix(state.deletedWith);
    state.dependencies = state.dependencies.map(fix);
    for (const [key, urns] of Object.entries(state.propertyDependencies))
      state.propertyDependencies[key] = urns.map(fix);
    if (state.provider !== "") {
      state.provider = `${fix(providerUrn(state.provider))}::${providerId(state.provider)}`;
    }
  }
}

/** Drops dependencies on resources that no longer exist; parents and providers are never affected. */
function pruneDependencies(resources: readonly ResourceState[]): void {
  const seen = new Set<string>();
  for (const state of resources) {
    state.dependencies = state.dependencies.filter((urn) => seen.has(urn));
    for (const [key, urns] of Object.entries(state.propertyDependencies)) {
      state.propertyDependencies[key] = urns.filter((urn) => seen.has(urn));
    }
    if (state.deletedWith !== "" && !seen.has(state.deletedWith)) state.deletedWith = "";
    seen.add(state.urn);
  }
}
