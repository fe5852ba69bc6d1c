import { randomBytes } from "node:crypto";
import { checkInputs } from "./checks.ts";
import { type Registration, Reported, type RunContext, refuse } from "./context.ts";
import { deleteStep, forgetStep } from "./deletions.ts";
import { replacedDependents, resourcesDeletedWith } from "./dependents.ts";
import { stateOf, triggers, withoutInternal } from "./desired-state.ts";
import { applyReplaceOnChanges, askDiff, detailOf, plainDiff, replaces } from "./diffs.ts";
import { providerUrn } from "./graph.ts";
import { Identities } from "./identities.ts";
import { readImported } from "./imported.ts";
import { ignoreChanges } from "./paths.ts";
import type { Diff } from "./provider-answers.ts";
import type { ProviderClient } from "./provider-client.ts";
import { type Goal, Unsupported } from "./registration.ts";
import { targetOf } from "./registry.ts";
import type { ResourceState } from "./resource-state.ts";
import type { Step } from "./step.ts";
import { createStep, importStep, replaceStep, sameStep, updateStep } from "./steps.ts";
import { isProviderType } from "./urn.ts";

/**
 * Plans the steps of a run. Registrations are processed one at a time; each becomes a chain of steps. The rules, and the order
 * of the checks, are those of Pulumi's step generator (pkg/resource/deploy/step_generator.go at 3.260).
 */
export class StepGenerator {
  readonly #context: RunContext;
  readonly #identities: Identities;
  /** URNs by the planned operation. */
  readonly #kept = new Set<string>();
  readonly #created = new Set<string>();
  readonly #replaced = new Set<string>();
  /** URNs that this run deletes; `deletedWith` looks here while deletions run. */
  readonly #deleted = new Set<string>();
  /** Resources (not URNs) that are deleted before their replacement is created. */
  readonly #deletedAhead = new Set<ResourceState>();
  readonly #providers = new Map<string, ResourceState>();
  /** True when a preview has met something that an update would refuse. */
  sawError = false;

  constructor(context: RunContext) {
    this.#context = context;
    this.#identities = new Identities(context);
  }

  /** The steps for one registration. Throws {@link Reported} when there are none and the reason has been reported. */
  async register(registration: Registration): Promise<Step[]> {
    const { goal } = registration;
    const { registry } = this.#context;
    if (goal.parent !== "" && !this.#identities.isRegistered(goal.parent)) {
      throw new Error(`could not find parent resource ${goal.parent}`);
    }
    const { urn, old, alias } = this.#identities.claim(goal);
    const next = stateOf(goal, urn, old, alias);
    if (isProviderType(goal.type)) this.#providers.set(urn, next);
    const provider = goal.custom && !isProviderType(goal.type) ? registry.get(goal.provider) : undefined;
    if (goal.custom && !isProviderType(goal.type) && !provider) {
      refuse(this.#context, `unknown provider '${goal.provider}' for resource '${urn}'`, urn);
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

  /** The steps that bring a resource to the state that the program declares. */
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
        ? await checkInputs(this.#context, provider, next, {}, goal.properties, seed)
        : await checkInputs(this.#context, provider, next, old.inputs, inputs, seed);
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
    // A resource whose initialization failed is updated without a change, so that the provider initializes it again.
    if (old.initErrors.length > 0) return [updateStep(this.#context, registration, old, next, [])];
    return [sameStep(this.#context, registration, old, next)];
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

  /** True when the resource's provider is another one now, and cannot manage resources that the old one created. */
  async #providerChanged(old: ResourceState, next: ResourceState): Promise<boolean> {
    if (old.provider === next.provider) return false;
    if (old.provider === "" || next.provider === "") return true;
    const [oldUrn, newUrn] = [providerUrn(old.provider), providerUrn(next.provider)];
    if (this.#identities.present(oldUrn) === newUrn) return false;
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
    if (goal.custom)
      next.inputs = await checkInputs(this.#context, provider, next, {}, goal.properties, seed);
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
    dependents.push(
      ...resourcesDeletedWith(this.#context, urn).filter((state) => !dependents.includes(state)),
    );
    for (const dependent of dependents.reverse()) {
      if (this.#deletedAhead.has(dependent)) continue;
      if (dependent.delete) steps.push(deleteStep(this.#context, this.#deleted, dependent));
      else {
        if (dependent.protect && !options.ignoreProtect) {
          this.sawError = true;
          refuse(
            this.#context,
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

  /** Groups of deletions of resources that the program no longer declares, dependents first. */
  async deletions(): Promise<Step[][]> {
    const { previous, registry, graph } = this.#context;
    const steps = new Map<ResourceState, Step>();
    for (const state of previous) {
      const urn = this.#identities.present(state.urn) ?? state.urn;
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
