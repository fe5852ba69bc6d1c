import type { Scenario } from "../format.ts";
import { Thing } from "../things.ts";

/** What every deployment does: create, leave alone, update, replace, delete. */
export const basics: readonly Scenario[] = [
  {
    name: "create-update-same",
    about: "A chain of two is created, left alone, updated in place, and destroyed in reverse order.",
    program: (variant) => {
      const a = new Thing("a", { value: variant });
      const b = new Thing("b", { value: a.label });
      return { a: a.value, b: b.label };
    },
    phases: [
      { run: "preview", expect: "ok" },
      { run: "up", expect: "ok" },
      { run: "up", expect: "ok" },
      { run: "preview", variant: "v2", expect: "ok" },
      { run: "up", expect: "ok" },
      { run: "destroy", expect: "ok" },
    ],
  },
  {
    name: "replace-create-first",
    about: "A replaced thing is created anew, its dependent updated, and only then the old one deleted.",
    program: (variant) => {
      const a = new Thing("a", { value: variant, replaceKeys: ["value"] });
      new Thing("b", { value: a.label });
      return undefined;
    },
    phases: [
      { run: "up", expect: "ok" },
      { run: "preview", variant: "v2", expect: "ok" },
      { run: "up", expect: "ok" },
      { run: "up", expect: "ok" },
    ],
  },
  {
    name: "replace-delete-first",
    about:
      "With deleteBeforeReplace the old thing goes first, and so does a dependent that the change would replace; one that it would only update stays.",
    program: (variant) => {
      const a = new Thing("a", { value: variant, replaceKeys: ["value"] }, { deleteBeforeReplace: true });
      new Thing("replaced", { value: a.label, replaceKeys: ["value"] });
      new Thing("updated", { value: a.label });
      return undefined;
    },
    phases: [
      { run: "up", expect: "ok" },
      { run: "preview", variant: "v2", expect: "ok" },
      { run: "up", expect: "ok" },
    ],
  },
];
