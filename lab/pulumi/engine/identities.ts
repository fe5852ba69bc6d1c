import { type RunContext, refuse } from "./context.ts";
import { aliasUrn, type Goal, inheritedAlias } from "./registration.ts";
import type { ResourceState } from "./resource-state.ts";
import { makeUrn, nameOf } from "./urn.ts";

/** The URNs of one run's registrations, and the recorded resource that each refers to. */
export class Identities {
  readonly #context: RunContext;
  readonly #urns = new Set<string>();
  /** Former URN to present URN, and back. */
  readonly #presentOf = new Map<string, string>();
  readonly #formerOf = new Map<string, string>();

  constructor(context: RunContext) {
    this.#context = context;
  }

  /** True when this run has registered the URN. */
  isRegistered(urn: string): boolean {
    return this.#urns.has(urn);
  }

  /** The present URN of a resource that an alias has renamed; undefined for any other. */
  present(formerUrn: string): string | undefined {
    return this.#presentOf.get(formerUrn);
  }

  /**
   * The URN of a registration, and the recorded resource behind it, found by that URN or by one that it had before (`alias`).
   * Throws {@link Reported} when another registration has claimed either.
   */
  claim(goal: Goal): { urn: string; old: ResourceState | undefined; alias: string | undefined } {
    const { stack, project } = this.#context.options;
    const urn = makeUrn(stack, project, goal.parent, goal.type, goal.name);
    if (this.#urns.has(urn)) {
      refuse(this.#context, `Duplicate resource URN '${urn}'; try giving it a unique name`, urn);
    }
    this.#urns.add(urn);
    const claimed = this.#presentOf.get(urn);
    if (claimed) refuse(this.#context, `${urn} is already taken: ${claimed} has it as an alias`, urn);
    for (const candidate of [urn, ...this.#formerUrns(goal)]) {
      const old = this.#context.olds.get(candidate);
      if (!old) continue;
      if (candidate === urn) return { urn, old, alias: undefined };
      if (this.#urns.has(candidate) || this.#presentOf.has(candidate)) {
        refuse(this.#context, `${urn} has the alias ${candidate}, which another resource already is`, urn);
      }
      this.#presentOf.set(candidate, urn);
      this.#formerOf.set(urn, candidate);
      return { urn, old, alias: candidate };
    }
    return { urn, old: undefined, alias: undefined };
  }

  /** By its own aliases, then by those that follow from its parent's. */
  #formerUrns(goal: Goal): string[] {
    const self = { ...goal, ...this.#context.options };
    const own = goal.aliases.map((alias) => aliasUrn(alias, self));
    const parentAlias = this.#formerOf.get(goal.parent);
    if (!parentAlias) return own;
    const parentName = nameOf(goal.parent);
    const inherited = own.map((former) => {
      const type = former.split("::")[2]?.split("$").at(-1) ?? goal.type;
      return inheritedAlias({ type, name: nameOf(former) }, parentName, parentAlias);
    });
    return [...own, inheritedAlias(goal, parentName, parentAlias), ...inherited];
  }
}
