import { providerId, providerUrn } from "./graph.ts";
import type { Deployment, OperationType, PendingOperation, ResourceState } from "./resource-state.ts";
import { writeState } from "./state.ts";

/**
 * The deployment while it changes: what stood at the start, what steps have added and what they are done with. Every
 * change is on disk before the engine goes on, so that a kill at any moment leaves a deployment to resume from.
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

  /** Records that an operation begins. Answers how to record its end; without that it stays pending. */
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

  /** Drops a state that was deleted or that another took the place of. */
  drop(state: ResourceState): void {
    this.#done.add(state);
    this.#unwritten = true;
  }

  /** Says that resources vanished without their dependents being told. */
  prune(): void {
    this.#pruneDependencies = true;
  }

  /** The resources as they stand: what this run has touched, in the order it did, then what it has not. */
  resources(): ResourceState[] {
    const all = [...this.#news, ...this.#base.resources].filter((state) => !this.#done.has(state));
    renameAliased(all);
    if (this.#pruneDependencies) pruneDependencies(all);
    return all;
  }

  /** Writes the deployment as it stands. */
  write(): void {
    this.#unwritten = false;
    if (this.#file === undefined) return;
    // Creations that an earlier run left pending may exist unrecorded: only a person, or `recover`, can tell.
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

/** Makes references to a resource's former URN name its present one. */
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

/** Drops dependencies on resources that are no longer there; parents and providers never vanish this way. */
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
