import { randomBytes } from "node:crypto";
import { type Registration, Reported, type RunContext } from "./context.ts";
import { livingWith, replacedDependents } from "./dependents.ts";
import { stateOf, triggers, withoutInternal } from "./desired-state.ts";
import { applyReplaceOnChanges, askDiff, detailOf, plainDiff, replaces } from "./diffs.ts";
import { providerUrn } from "./graph.ts";
import { readImported } from "./imported.ts";
import { ignoreChanges } from "./paths.ts";
import type { CheckResult, Diff } from "./provider-answers.ts";
import type { ProviderClient } from "./provider-client.ts";
import { aliasUrn, type Goal, inheritedAlias, Unsupported } from "./registration.ts";
import { targetOf } from "./registry.ts";
import type { ResourceState } from "./resource-state.ts";
import {
  createStep,
  deleteStep,
  forgetStep,
  importStep,
  replaceStep,
  type Step,
  sameStep,
  updateStep,
} from "./steps.ts";
import { isProviderType, makeUrn, nameOf } from "./urn.ts";
import type { PropertyMap } from "./values.ts";

/**
 * Decides what has to be done. Registrations come one at a time; each becomes a chain of steps. The rules, and the order
 * of the checks, are those of Pulumi's step generator (pkg/resource/deploy/step_generator.go at 3.260).
 */
export class StepGenerator {
  readonly #context: RunContext;
  readonly #urns = new Set<string>();
  /** URNs by what was decided about them. */
  readonly #kept = new Set<string>();
  readonly #created = new Set<string>();
  readonly #replaced = new Set<string>();
  /** URNs that this run deletes; `deletedWith` looks here while deletions run. */
  readonly #deleted = new Set<string>();
  /** Resources (not URNs) that are deleted ahead of their replacement. */
  readonly #deletedAhead = new Set<ResourceState>();
  /** Former URN to present URN, and back. */
  readonly #presentOf = new Map<string, string>();
  readonly #formerOf = new Map<string, string>();
  readonly #providers = new Map<string, ResourceState>();
  /** True when a preview has met something that an update would refuse. */
  sawError = false;

  constructor(context: RunContext) {
    this.#context = context;
  }

  #refuse(message: string, urn: string): never {
    this.#context.reporter.say("error", message, urn);
    throw new Reported(message);
  }

  #claimUrn(goal: Goal): string {
    const { stack, project } = this.#context.options;
    const urn = makeUrn(stack, project, goal.parent, goal.type, goal.name);
    if (this.#urns.has(urn)) {
      this.#refuse(`Duplicate resource URN '${urn}'; try giving it a unique name`, urn);
    }
    this.#urns.add(urn);
    return urn;
  }

  /** The recorded resource behind a registration, found by its URN or by one that it had before. */
  #findOld(goal: Goal, urn: string): { old: ResourceState | undefined; alias: string | undefined } {
    const { olds, options } = this.#context;
    const claimed = this.#presentOf.get(urn);
    if (claimed) this.#refuse(`${urn} is already taken: ${claimed} has it as an alias`, urn);
    const self = { ...goal, ...options };
    const formers = goal.aliases.map((alias) => aliasUrn(alias, self));
    const parentAlias = this.#formerOf.get(goal.parent);
    if (parentAlias) {
      const parentName = nameOf(goal.parent);
      formers.push(inheritedAlias(goal, parentName, parentAlias));
      for (const alias of goal.aliases) {
        const former = aliasUrn(alias, self);
        const type = former.split("::")[2]?.split("$").at(-1) ?? goal.type;
        formers.push(inheritedAlias({ type, name: nameOf(former) }, parentName, parentAlias));
      }
    }
    for (const candidate of [urn, ...formers]) {
      const old = olds.get(candidate);
      if (!old) continue;
      if (candidate === urn) return { old, alias: undefined };
      if (this.#urns.has(candidate) || this.#presentOf.has(candidate)) {
        this.#refuse(`${urn} has the alias ${candidate}, which another resource already is`, urn);
      }
      this.#presentOf.set(candidate, urn);
      this.#formerOf.set(urn, candidate);
      return { old, alias: candidate };
    }
    return { old: undefined, alias: undefined };
  }

  /** The steps for one registration. Throws {@link Reported} when the user has been told why there are none. */
  async register(registration: Registration): Promise<Step[]> {
    const { goal } = registration;
    const { registry } = this.#context;
    if (goal.parent !== "" && !this.#urns.has(goal.parent)) {
      throw new Error(`could not find parent resource ${goal.parent}`);
    }
    const urn = this.#claimUrn(goal);
    const { old, alias } = this.#findOld(goal, urn);
    const next = stateOf(goal, urn, old, alias);
    if (isProviderType(goal.type)) this.#providers.set(urn, next);
    const provider = goal.custom && !isProviderType(goal.type) ? registry.get(goal.provider) : undefined;
    if (goal.custom && !isProviderType(goal.type) && !provider) {
      this.#refuse(`unknown provider '${goal.provider}' for resource '${urn}'`, urn);
    }
    if (!provider || goal.importId === "" || (old && (old.importId || old.id) === goal.importId)) {
      return this.#decide(registration, old, next, provider);
    }
    if (old) throw new Unsupported(`the option import in the place of what a resource is already (${urn})`);
    const read = await readImported(next, provider);
    if (read instanceof Error) return [importStep(this.#context, registration, next, read)];
    next.created = read.created;
    return [
      importStep(this.#context, registration, read),
      ...(await this.#decide(registration, read, next, provider)),
    ];
  }

  /** The steps from what a resource is to what the program wants. */
  async #decide(
    registration: Registration,
    old: ResourceState | undefined,
    next: ResourceState,
    provider: ProviderClient | undefined,
  ): Promise<Step[]> {
    const { goal } = registration;
    const { reporter } = this.#context;
    const { urn } = next;
    const recreating = this.#deleted.has(urn);
    const seed = randomBytes(32);
    let inputs = goal.properties;
    if (old) {
      const restored = ignoreChanges(inputs, old.inputs, goal.ignoreChanges);
      inputs = restored.inputs;
      if (restored.invalid.length > 0) {
        const paths = restored.invalid.join(", ");
        reporter.say(
          "info",
          `cannot ignore changes in added or removed elements of the path: "${paths}"`,
          urn,
        );
      }
    }
    if (goal.custom) {
      const fresh = recreating || !old || old.external;
      next.inputs = fresh
        ? await this.#check(provider, next, {}, goal.properties, seed)
        : await this.#check(provider, next, old.inputs, inputs, seed);
    } else next.inputs = inputs;
    reporter.addSecretsOf(next.inputs);

    if (recreating && old) {
      this.#deleted.delete(urn);
      this.#replaced.add(urn);
      return [
        replaceStep(old, next, []),
        createStep(this.#context, registration, next, { old, pendingDelete: false, detail: [] }),
      ];
    }
    if (!old) {
      this.#created.add(urn);
      return [createStep(this.#context, registration, next)];
    }
    if (old.external)
      throw new Error(`${urn} was read, not created, before; the lab's engine cannot take it over`);
    const triggered = triggers(old.replacementTrigger, next.replacementTrigger);
    let diff = triggered ? plainDiff("some") : await this.#diff(old, next, goal, provider);
    if (!diff) {
      reporter.say(
        "warning",
        "The provider for this resource has inputs that are not known during preview.\n" +
          "This preview may not correctly represent the changes that will be applied during an update.",
        urn,
      );
      diff = plainDiff("some");
    }
    diff = applyReplaceOnChanges(diff, goal.replaceOnChanges, old.initErrors.length > 0);
    if (diff.changes === "some" || old.pendingReplacement) {
      if (triggered || replaces(diff) || old.pendingReplacement) {
        return this.#replace(registration, old, next, diff, provider, seed);
      }
      this.#kept.add(urn);
      return [updateStep(this.#context, registration, old, next, detailOf(diff))];
    }
    this.#kept.add(urn);
    // What exists but was not right is updated without a change, for the provider to look at it again.
    if (old.initErrors.length > 0) return [updateStep(this.#context, registration, old, next, [])];
    return [sameStep(this.#context, registration, old, next)];
  }

  async #check(
    provider: ProviderClient | undefined,
    next: ResourceState,
    olds: PropertyMap,
    news: PropertyMap,
    seed: Buffer,
  ): Promise<PropertyMap> {
    const { registry, options } = this.#context;
    const target = targetOf(next.urn);
    const { inputs, failures }: CheckResult = provider
      ? await provider.check(target, olds, news, options.preview, seed)
      : await registry.check(next.urn, olds, news);
    if (failures.length > 0) {
      for (const { property, reason } of failures) {
        const about = property === "" ? "" : ` property ${property}:`;
        const message = `${next.type} resource "${target.name}":${about} ${reason}`;
        this.#context.reporter.say("error", message, next.urn);
      }
      throw new Reported(`resource ${next.urn} is invalid`);
    }
    return inputs;
  }

  async #diff(
    old: ResourceState,
    next: ResourceState,
    goal: Goal,
    provider: ProviderClient | undefined,
  ): Promise<Diff | undefined> {
    if (next.deletedWith !== "" && this.#replaced.has(next.deletedWith))
      return plainDiff("some", ["deletedWith"]);
    if (await this.#providerChanged(old, next)) return plainDiff("some", ["provider"]);
    return askDiff(
      this.#context,
      provider,
      old,
      next.urn,
      next.inputs,
      goal.ignoreChanges,
      this.#context.options.preview,
    );
  }

  /** True when the resource's provider is another one now, and cannot manage what the old one made. */
  async #providerChanged(old: ResourceState, next: ResourceState): Promise<boolean> {
    if (old.provider === next.provider) return false;
    if (old.provider === "" || next.provider === "") return true;
    const [oldUrn, newUrn] = [providerUrn(old.provider), providerUrn(next.provider)];
    if (this.#presentOf.get(oldUrn) === newUrn) return false;
    const provider = this.#context.registry.get(next.provider);
    const oldProvider = this.#context.olds.get(oldUrn);
    const newProvider = this.#providers.get(newUrn);
    if (!provider || !oldProvider || !newProvider) return true;
    const diff = await provider.diffConfig(
      targetOf(newUrn),
      withoutInternal(oldProvider.inputs),
      oldProvider.outputs,
      withoutInternal(newProvider.inputs),
    );
    return diff !== undefined && replaces(diff);
  }

  async #replace(
    registration: Registration,
    old: ResourceState,
    next: ResourceState,
    diff: Diff,
    provider: ProviderClient | undefined,
    seed: Buffer,
  ): Promise<Step[]> {
    const { goal } = registration;
    const { registry, options, previous, graph } = this.#context;
    const { urn } = next;
    if (next.protect && old.protect && !options.ignoreProtect) {
      const message =
        `unable to replace resource "${urn}" as it is protected. To unprotect it, remove the \`protect\` option ` +
        "from the resource in the program and run up";
      this.sawError = true;
      this.#context.reporter.say("error", message, urn);
      if (!options.preview) throw new Reported(message);
    }
    this.#replaced.add(urn);
    // Defaults were carried over from the old resource; a new one gets its own.
    if (goal.custom) next.inputs = await this.#check(provider, next, {}, goal.properties, seed);
    const detail = detailOf(diff);
    if (!(goal.deleteBeforeReplace ?? diff.deleteBeforeReplace)) {
      return [
        createStep(this.#context, registration, next, { old, pendingDelete: true, detail }),
        replaceStep(old, next, detail),
      ];
    }
    const steps: Step[] = [];
    const settled = (other: string) =>
      other !== urn &&
      [this.#kept, this.#created, this.#deleted, this.#replaced].some((set) => set.has(other));
    const dependents = graph.has(old) ? await replacedDependents(this.#context, old, settled) : [];
    dependents.push(...livingWith(this.#context, urn).filter((state) => !dependents.includes(state)));
    for (const dependent of dependents.reverse()) {
      if (this.#deletedAhead.has(dependent)) continue;
      if (dependent.delete) steps.push(deleteStep(this.#context, this.#deleted, dependent));
      else {
        if (dependent.protect && !options.ignoreProtect) {
          this.sawError = true;
          this.#refuse(
            `unable to replace resource "${dependent.urn}" as part of replacing "${urn}", as it is protected. To ` +
              "unprotect it, remove the `protect` option from the resource in the program and run up",
            urn,
          );
        }
        await registry.ensure(dependent.provider, previous);
        const how = { replacing: true, pendingReplacement: true };
        steps.push(deleteStep(this.#context, this.#deleted, dependent, how));
      }
      this.#deleted.add(dependent.urn);
      this.#deletedAhead.add(dependent);
    }
    await registry.ensure(old.provider, previous);
    if (!old.pendingReplacement) {
      this.#deleted.add(old.urn);
      steps.push(
        deleteStep(this.#context, this.#deleted, old, { replacing: true, pendingReplacement: true }),
      );
    }
    return [
      ...steps,
      replaceStep(old, next, detail),
      createStep(this.#context, registration, next, { old, pendingDelete: false, detail }),
    ];
  }

  /** Groups of deletions of what is no longer wanted, dependents first. */
  async deletions(): Promise<Step[][]> {
    const { previous, registry, graph } = this.#context;
    const steps = new Map<ResourceState, Step>();
    for (const state of previous) {
      const urn = this.#presentOf.get(state.urn) ?? state.urn;
      if (state.delete) {
        if (this.#deletedAhead.has(state)) continue;
        const how = { replacing: true, pendingReplacement: false };
        steps.set(state, deleteStep(this.#context, this.#deleted, state, how));
      } else if (this.#kept.has(urn) || this.#replaced.has(urn)) continue;
      else if (state.pendingReplacement) steps.set(state, forgetStep(this.#context, state));
      else steps.set(state, deleteStep(this.#context, this.#deleted, state));
      this.#deleted.add(state.urn);
      await registry.ensure(state.provider, previous);
    }
    return graph
      .deletionOrder(steps.keys())
      .map((group) => group.map((state) => steps.get(state)).filter((step) => step !== undefined));
  }
}
