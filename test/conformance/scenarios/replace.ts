import type { Scenario } from "../format.ts";
import { Thing } from "../things.ts";

/** What is replaced, in which order, and what that does to dependents. */
export const replacements: readonly Scenario[] = [
  {
    name: "replace-chain",
    about: "Replacements that cause replacements: all new ones first, then the old ones in reverse order.",
    program: (variant) => {
      const a = new Thing("a", { value: variant, replaceKeys: ["value"] });
      const b = new Thing("b", { value: a.label, replaceKeys: ["value"] });
      new Thing("c", { value: b.label, replaceKeys: ["value"] });
      return undefined;
    },
    phases: [
      { run: "up", expect: "ok" },
      { run: "preview", variant: "v2", expect: "ok" },
      { run: "up", expect: "ok" },
    ],
  },
  {
    name: "replace-on-changes",
    about:
      "replaceOnChanges replaces where the provider would update, for the properties it names alone; a nested path has no effect when the provider names top-level properties.",
    program: (variant) => {
      const [image, replicas] = { v1: ["one", 1], v2: ["two", 1], v3: ["two", 2] }[variant] ?? ["", 0];
      const slot = new Thing(
        "slot",
        { taskSpec: { container: { image } }, mode: { replicas } },
        { replaceOnChanges: ["taskSpec"] },
      );
      new Thing("nested", { taskSpec: { image, other: replicas } }, { replaceOnChanges: ["taskSpec.image"] });
      new Thing("follower", { value: slot.label });
      return undefined;
    },
    phases: [
      { run: "up", expect: "ok" },
      { run: "preview", variant: "v2", expect: "ok" },
      { run: "up", expect: "ok" },
      { run: "preview", variant: "v3", expect: "ok" },
      { run: "up", expect: "ok" },
    ],
  },
  {
    name: "provider-deletes-first",
    about:
      "A provider may ask for the old one to go first; the option deleteBeforeReplace: false overrules it.",
    program: (variant) => {
      const inputs = { value: variant, replaceKeys: ["value"], deleteBeforeReplace: true };
      new Thing("asked", inputs);
      new Thing("overruled", inputs, { deleteBeforeReplace: false });
      return undefined;
    },
    phases: [
      { run: "up", expect: "ok" },
      { run: "preview", variant: "v2", expect: "ok" },
      { run: "up", expect: "ok" },
    ],
  },
  {
    name: "delete-first-cascade",
    about:
      "Replaced delete-first, a thing takes along dependents of dependents where the change would replace them, deepest first.",
    program: (variant) => {
      const a = new Thing("a", { value: variant, replaceKeys: ["value"] }, { deleteBeforeReplace: true });
      const b = new Thing("b", { value: a.label, replaceKeys: ["value"] });
      const c = new Thing("c", { value: b.label, replaceKeys: ["value"] });
      new Thing("d", { value: c.label });
      new Thing("ordered", { value: "fixed" }, { dependsOn: [a] });
      return undefined;
    },
    phases: [
      { run: "up", expect: "ok" },
      { run: "preview", variant: "v2", expect: "ok" },
      { run: "up", expect: "ok" },
      { run: "destroy", expect: "ok" },
    ],
  },
  {
    name: "delete-first-create-fails",
    about: "Delete-first, and the new one cannot be created: the old one is gone; the next run creates it.",
    program: (variant) => {
      const failCreate = variant === "v2" ? "no room" : undefined;
      const a = new Thing(
        "a",
        { value: variant, replaceKeys: ["value"], failCreate },
        { deleteBeforeReplace: true },
      );
      new Thing("b", { value: a.label });
      return undefined;
    },
    phases: [
      { run: "up", expect: "ok" },
      { run: "up", variant: "v2", expect: "fail" },
      { run: "preview", variant: "v3", expect: "ok" },
      { run: "up", variant: "v3", expect: "ok" },
    ],
  },
  {
    name: "replace-triggered",
    about: "replacementTrigger replaces when its value changes, whatever the inputs say.",
    program: (variant) => {
      new Thing("a", { value: "fixed" }, { replacementTrigger: variant });
      return undefined;
    },
    phases: [
      { run: "up", expect: "ok" },
      { run: "up", variant: "v2", expect: "ok" },
      { run: "up", expect: "ok" },
    ],
  },
];
