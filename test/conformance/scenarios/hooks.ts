import * as pulumi from "@pulumi/pulumi";
import type { Scenario } from "../format.ts";
import { Component, Thing } from "../things.ts";
import { World } from "../world.ts";

/** A hook that writes what it was called with into the world's journal, among the provider's calls, then perhaps fails. */
function hook(name: string, failure?: string, options: pulumi.ResourceHookOptions = {}): pulumi.ResourceHook {
  const world = new World(new pulumi.Config("conformance").require("world"));
  return new pulumi.ResourceHook(
    name,
    ({ name: thing, id, oldInputs, newInputs, oldOutputs, newOutputs }) => {
      const value = (properties: object | undefined) =>
        properties && ((properties as { value?: unknown }).value ?? null);
      const inputs = {
        hook: name,
        id,
        old: [value(oldInputs), value(oldOutputs)],
        new: [value(newInputs), value(newOutputs)],
      };
      world.journal({ call: "hook", thing, inputs });
      if (failure !== undefined) throw new Error(failure);
    },
    options,
  );
}

function allHooks() {
  return {
    beforeCreate: [hook("before-create"), hook("before-create-too")],
    afterCreate: [hook("after-create")],
    beforeUpdate: [hook("before-update")],
    afterUpdate: [hook("after-update")],
    beforeDelete: [hook("before-delete")],
    afterDelete: [hook("after-delete")],
  };
}

/** Functions of the program around steps. */
export const hooks: readonly Scenario[] = [
  {
    name: "hooks",
    about:
      "Hooks are called around create, update, replacement and delete, not in previews and not for what stays the same.",
    program: (variant) => {
      const bound = allHooks();
      if (variant !== "removed") {
        const value = variant === "v1" ? "one" : "two";
        const kind = variant === "replaced" ? "other" : "same";
        new Thing("a", { value, kind, replaceKeys: ["kind"] }, { hooks: bound });
      }
      new Component("group", () => ({ value: "registered" }), { hooks: bound });
      return undefined;
    },
    phases: [
      { run: "preview", expect: "ok" },
      { run: "up", expect: "ok" },
      { run: "up", expect: "ok" },
      { run: "up", variant: "updated", expect: "ok" },
      { run: "up", variant: "replaced", expect: "ok" },
      { run: "refresh", expect: "ok" },
      { run: "up", variant: "removed", expect: "ok" },
      { run: "destroy", expect: "fail" },
    ],
    recordCalls: true,
  },
  {
    name: "hook-fails-before",
    about: "A hook that fails before a step keeps it from being done; one whose errors are ignored warns.",
    program: (variant) => {
      const failure = variant === "fails" ? "not now" : undefined;
      const options = { ignoreErrors: variant === "ignored" };
      const beforeCreate = [hook("gate", variant === "ignored" ? "ignored" : failure, options)];
      const a = new Thing("a", { value: variant }, { hooks: { beforeCreate, beforeUpdate: beforeCreate } });
      new Thing("b", { value: a.label });
      return undefined;
    },
    phases: [
      { run: "preview", variant: "fails", expect: "ok" },
      { run: "up", expect: "fail" },
      { run: "up", variant: "ignored", expect: "ok" },
      { run: "up", variant: "fails", expect: "fail" },
      { run: "up", variant: "passes", expect: "ok" },
    ],
    recordCalls: true,
  },
  {
    name: "hook-fails-after",
    about:
      "A hook that fails after a step fails the run, the step being done and recorded; with continue-on-error the rest goes on.",
    program: (variant) => {
      const afterCreate = [hook("check", variant === "passes" ? undefined : "not good")];
      const a = new Thing("a", { value: variant }, { hooks: { afterCreate, afterUpdate: afterCreate } });
      new Thing("b", { value: a.value });
      if (variant === "fails") new Thing("old");
      return undefined;
    },
    phases: [
      { run: "up", variant: "fails", continueOnError: true, expect: "fail" },
      { run: "up", variant: "fails-again", continueOnError: true, expect: "fail" },
      { run: "up", variant: "fails-at-once", expect: "fail" },
      { run: "up", variant: "passes", expect: "ok" },
    ],
    recordCalls: true,
  },
  {
    name: "hook-fails-at-delete",
    about: "A delete whose hook fails before it is not done; one whose hook fails after it is.",
    program: (variant) => {
      const failing = (when: string) => (variant === when ? "not now" : undefined);
      const bound = {
        beforeDelete: [hook("before-delete", failing("fails-before"))],
        afterDelete: [hook("after-delete", failing("fails-after"))],
      };
      if (variant === "v1") new Thing("a", {}, { hooks: bound });
      new Thing("b");
      return undefined;
    },
    phases: [
      { run: "up", expect: "ok" },
      { run: "up", variant: "fails-before", expect: "fail" },
      { run: "up", variant: "fails-after", expect: "fail" },
      { run: "up", variant: "v1", expect: "ok" },
      { run: "destroy", expect: "fail" },
    ],
    recordCalls: true,
  },
  {
    name: "hook-in-preview",
    about: "A hook that says so is called in previews too, with what they know.",
    program: (variant) => {
      const before = [hook("dry", undefined, { onDryRun: true })];
      const a = new Thing(
        "a",
        { value: variant },
        { hooks: { beforeCreate: before, beforeUpdate: before, afterUpdate: before } },
      );
      new Thing("b", { value: a.value });
      return undefined;
    },
    phases: [
      { run: "preview", expect: "ok" },
      { run: "up", expect: "ok" },
      { run: "preview", variant: "v2", expect: "ok" },
    ],
    recordCalls: true,
  },
];
