import type { Scenario } from "../format.ts";
import { Component, Testing, Thing } from "../things.ts";

/** What a resource was called before, and what stays when the program has it no longer. */
export const identities: readonly Scenario[] = [
  {
    name: "alias-renamed",
    about:
      "A thing under a new name stays the same thing, its dependents keep it, and the alias may go afterwards.",
    program: (variant) => {
      const renamed = variant !== "v1";
      const a = renamed
        ? new Thing("b", { value: "a" }, variant === "renamed" ? { aliases: [{ name: "a" }] } : {})
        : new Thing("a", { value: "a" });
      new Thing("dependent", { value: a.label });
      return { label: a.label };
    },
    phases: [
      { run: "up", expect: "ok" },
      { run: "preview", variant: "renamed", expect: "ok" },
      { run: "up", expect: "ok" },
      { run: "up", variant: "alias-gone", expect: "ok" },
      { run: "destroy", expect: "ok" },
    ],
  },
  {
    name: "alias-replaced",
    about: "A thing under a new name that must also be replaced: the old one is deleted at the end.",
    program: (variant) => {
      const options = variant === "v1" ? {} : { aliases: [{ name: "a" }] };
      const a = new Thing(variant === "v1" ? "a" : "b", { value: variant, replaceKeys: ["value"] }, options);
      new Thing("dependent", { value: a.label });
      return undefined;
    },
    phases: [
      { run: "up", expect: "ok" },
      { run: "up", variant: "v2", expect: "ok" },
      { run: "up", expect: "ok" },
    ],
  },
  {
    name: "alias-parent",
    about:
      "Things move into a component, and a component with children gets a new name: nothing is made anew, children follow.",
    program: (variant) => {
      if (variant === "v1") {
        new Thing("a", { value: "a" });
        new Component("group", (parent) => ({ b: new Thing("group-b", {}, { parent }).label }));
        return undefined;
      }
      new Component(
        "team",
        (parent) => {
          const a = new Thing("a", { value: "a" }, { parent, aliases: [{ parent: undefined }] });
          return { a: a.label, b: new Thing("team-b", {}, { parent }).label };
        },
        { aliases: [{ name: "group" }] },
      );
      return undefined;
    },
    phases: [
      { run: "up", expect: "ok" },
      { run: "preview", variant: "moved", expect: "ok" },
      { run: "up", expect: "ok" },
      { run: "up", expect: "ok" },
    ],
  },
  {
    name: "alias-provider",
    about: "An explicit provider under a new name: what it manages stays.",
    program: (variant) => {
      const options = variant === "v1" ? {} : { aliases: [{ name: "docker" }] };
      const provider = new Testing(variant === "v1" ? "docker" : "host-docker", { region: "r1" }, options);
      new Thing("a", {}, { provider });
      return undefined;
    },
    phases: [
      { run: "up", expect: "ok" },
      { run: "preview", variant: "renamed", expect: "ok" },
      { run: "up", expect: "ok" },
      { run: "destroy", expect: "ok" },
    ],
  },
  {
    name: "retain-on-delete",
    about:
      "What is to be retained leaves the state and stays in the world: when removed, replaced or destroyed.",
    program: (variant) => {
      const options = { retainOnDelete: true };
      if (variant !== "removed") new Thing("kept", {}, options);
      const value = variant === "v1" ? "one" : "two";
      new Thing("replaced", { value, replaceKeys: ["value"] }, options);
      new Thing(
        "replaced-first",
        { value, replaceKeys: ["value"], deleteBeforeReplace: true },
        { retainOnDelete: true },
      );
      new Component("group", (parent) => ({ child: new Thing("child", {}, { parent }).label }), options);
      new Thing("gone");
      return undefined;
    },
    phases: [
      { run: "up", expect: "ok" },
      { run: "preview", variant: "removed", expect: "ok" },
      { run: "up", expect: "ok" },
      { run: "destroy", expect: "ok" },
    ],
  },
];
