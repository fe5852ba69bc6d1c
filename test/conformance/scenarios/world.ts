import type { Scenario } from "../format.ts";
import { lookup, Thing } from "../things.ts";

/** Changes outside of the engine, unknown values in previews, and many resources at once. */
export const worlds: readonly Scenario[] = [
  {
    name: "removed-from-program",
    about: "What the program no longer has goes last, dependents before what they depend on.",
    program: (variant) => {
      new Thing("stays", { value: variant });
      if (variant === "v1") {
        const a = new Thing("a");
        const b = new Thing("b", { value: a.label });
        new Thing("c", {}, { dependsOn: [b] });
        new Thing("aside");
      }
      return undefined;
    },
    phases: [
      { run: "up", expect: "ok" },
      { run: "preview", variant: "v2", expect: "ok" },
      { run: "up", expect: "ok" },
    ],
  },
  {
    name: "destroy-order",
    about: "Destroying a diamond: what has no dependents left goes, side by side.",
    program: () => {
      const top = new Thing("top");
      const left = new Thing("left", { value: top.label });
      const right = new Thing("right", { value: top.label });
      new Thing("bottom", { left: left.label, right: right.label });
      return undefined;
    },
    phases: [
      { run: "up", expect: "ok" },
      { run: "destroy", expect: "ok" },
      { run: "up", expect: "ok" },
      { run: "destroy", before: [{ failing: "delete", thing: "left", message: "in use" }], expect: "fail" },
      { run: "destroy", before: [{ healed: "delete", thing: "left" }], expect: "ok" },
    ],
  },
  {
    name: "refresh-gone",
    about: "A thing removed outside leaves the state on refresh and is created by the next run.",
    program: () => {
      const a = new Thing("a");
      new Thing("b", { value: a.label });
      return undefined;
    },
    phases: [
      { run: "up", expect: "ok" },
      { run: "refresh", expect: "ok" },
      { run: "refresh", before: [{ remove: "a" }], expect: "ok" },
      { run: "preview", expect: "ok" },
      { run: "up", expect: "ok" },
    ],
  },
  {
    name: "refresh-changed",
    about:
      "Inputs changed outside are seen by a refresh and put right by the next run; changed outputs are only noted.",
    program: () => {
      const a = new Thing("a", { value: "ours" });
      const noted = new Thing("noted", { value: "ours" });
      return { value: a.value, note: noted.label };
    },
    phases: [
      { run: "up", expect: "ok" },
      {
        run: "refresh",
        before: [
          { set: "a", outputs: { value: "theirs" } },
          { set: "noted", outputs: { note: "by hand" } },
        ],
        expect: "ok",
      },
      { run: "preview", expect: "ok" },
      { run: "up", expect: "ok" },
    ],
  },
  {
    name: "refresh-with-pending-delete",
    about: "A refresh while an old slot is marked for deletion, there or gone.",
    program: (variant) => {
      const a = new Thing("a", { value: variant, replaceKeys: ["value"] });
      new Thing("b", { value: a.label, failUpdate: variant === "broken" ? "not now" : undefined });
      return undefined;
    },
    phases: [
      { run: "up", expect: "ok" },
      { run: "up", variant: "broken", expect: "fail" },
      { run: "refresh", expect: "ok" },
      { run: "refresh", before: [{ remove: "a" }], expect: "ok" },
      { run: "up", variant: "v3", expect: "ok" },
    ],
  },
  {
    name: "unknowns-create",
    about:
      "What a preview of something new tells the provider: unknown where a value comes from what does not exist yet.",
    program: () => {
      const a = new Thing("a", { value: "known" });
      const made = a.serial.apply((serial) => `made from ${serial}`);
      new Thing("b", {
        fromInput: a.value,
        fromComputed: a.label,
        fromId: a.id,
        made,
        nested: { list: ["known", made] },
      });
      return { made };
    },
    phases: [
      { run: "preview", expect: "ok" },
      { run: "up", expect: "ok" },
      { run: "preview", expect: "ok" },
    ],
    recordCalls: true,
  },
  {
    name: "unknowns-replace",
    about:
      "What a preview of a replacement and of an update makes unknown downstream, and which steps it plans for it.",
    program: (variant) => {
      const replaced = new Thing("replaced", { value: variant, replaceKeys: ["value"] });
      new Thing("updates", { value: replaced.label });
      new Thing("would-replace", { value: replaced.label, replaceKeys: ["value"] });
      const updated = new Thing("updated", { value: variant });
      new Thing("of-updated", { echoed: updated.value, computed: updated.label, id: updated.id });
      // Resources that a preview cannot know of are not planned.
      replaced.serial.apply((serial) => new Thing(`late-${serial}`));
      return undefined;
    },
    phases: [
      { run: "up", expect: "ok" },
      { run: "preview", variant: "v2", expect: "ok" },
      { run: "up", expect: "ok" },
    ],
    recordCalls: true,
  },
  {
    name: "invoke",
    about: "An invoke runs in previews too, waits for what it is made from, and is not called with unknowns.",
    program: (variant) => {
      const a = new Thing("a");
      const before = lookup({ name: "elsewhere" });
      const after = lookup({ name: a.label.apply(() => "a") }, { dependsOn: [a] });
      new Thing("b", { before: before.found, after: after.label });
      if (variant === "failing")
        new Thing("c", { value: lookup({ name: "x", failLookup: "refused" }).label });
      return undefined;
    },
    phases: [
      { run: "preview", expect: "ok" },
      { run: "up", expect: "ok" },
      { run: "up", expect: "ok" },
      { run: "preview", variant: "failing", expect: "fail" },
    ],
    recordCalls: true,
  },
  {
    name: "kill-first-create",
    about:
      "Killed during the very first create: a thing nobody knows, a pending operation, and a second one by the next run.",
    program: () => {
      const a = new Thing("a");
      new Thing("b", { value: a.label });
      return undefined;
    },
    phases: [
      { run: "up", kill: { during: "create", thing: "a", when: "after" }, expect: "killed" },
      { run: "up", expect: "ok" },
    ],
  },
  {
    name: "kill-create-and-refresh",
    about: "A refresh after a kill during a create, with nobody there to be asked.",
    program: () => {
      const a = new Thing("a");
      new Thing("b", { value: a.label });
      return undefined;
    },
    phases: [
      { run: "up", kill: { during: "create", thing: "b", when: "after" }, expect: "killed" },
      { run: "refresh", expect: "ok" },
      { run: "up", expect: "ok" },
    ],
  },
  {
    name: "kill-and-refresh",
    about: "A refresh after a kill, with an operation pending.",
    program: (variant) => {
      const a = new Thing("a", { value: variant });
      new Thing("b", { value: a.value });
      return undefined;
    },
    phases: [
      { run: "up", expect: "ok" },
      { run: "up", variant: "v2", kill: { during: "update", thing: "a", when: "after" }, expect: "killed" },
      { run: "refresh", expect: "ok" },
      { run: "up", expect: "ok" },
    ],
  },
  {
    name: "kill-and-destroy",
    about: "Destroying after a kill during a create: what the state knows goes, the orphan stays.",
    program: () => {
      const a = new Thing("a");
      new Thing("b", { value: a.label });
      return undefined;
    },
    phases: [
      { run: "up", kill: { during: "create", thing: "b", when: "after" }, expect: "killed" },
      { run: "destroy", expect: "ok" },
    ],
  },
  {
    name: "fan-out",
    about: "Forty things of one, side by side, and one of all of them.",
    program: (variant) => {
      const root = new Thing("root", { value: variant, replaceKeys: ["value"] });
      const leaves = Array.from(
        { length: 40 },
        (_, index) => new Thing(`leaf-${index}`, { value: root.label }),
      );
      new Thing("all", { labels: leaves.map((leaf) => leaf.label) });
      return undefined;
    },
    phases: [
      { run: "up", expect: "ok" },
      { run: "up", variant: "v2", expect: "ok" },
      { run: "destroy", expect: "ok" },
    ],
  },
];
