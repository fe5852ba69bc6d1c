import type { Scenario } from "../format.ts";
import { Thing } from "../things.ts";

/** Failures, what they stop, and how the next run recovers. */
export const failures: readonly Scenario[] = [
  {
    name: "failed-create",
    about: "What depends on a failed create is not tried; the next run creates both.",
    program: (variant) => {
      const a = new Thing("a");
      const b = new Thing("b", { value: a.label, failCreate: variant === "v1" ? "no room" : undefined });
      new Thing("c", { value: b.label });
      return undefined;
    },
    phases: [
      { run: "up", expect: "fail" },
      { run: "preview", variant: "v2", expect: "ok" },
      { run: "up", expect: "ok" },
    ],
  },
  {
    name: "failed-update",
    about: "A failed update keeps the old inputs and outputs, so that the next run tries again.",
    program: (variant) => {
      const failUpdate = variant === "v2" ? "not now" : undefined;
      const a = new Thing("a", { value: variant, failUpdate });
      new Thing("b", { value: a.value });
      return undefined;
    },
    phases: [
      { run: "up", expect: "ok" },
      { run: "up", variant: "v2", expect: "fail" },
      { run: "up", variant: "v3", expect: "ok" },
      { run: "up", variant: "v2", expect: "fail" },
      { run: "up", variant: "v3", expect: "ok" },
    ],
  },
  {
    name: "failed-check",
    about:
      "Inputs that the provider refuses fail the run before anything happens to that thing, in a preview too.",
    program: (variant) => {
      new Thing("a", { value: variant, failCheck: variant === "v2" ? "value: not allowed" : undefined });
      return undefined;
    },
    phases: [
      { run: "up", expect: "ok" },
      { run: "preview", variant: "v2", expect: "fail" },
      { run: "up", expect: "fail" },
    ],
  },
  {
    name: "failed-dependent",
    about:
      "A replaced thing whose dependent fails: new and old both stay, the old one marked; the next run deletes it.",
    program: (variant) => {
      const a = new Thing("a", { value: variant, replaceKeys: ["value"] });
      new Thing("b", { value: a.label, failUpdate: variant === "v2" ? "not now" : undefined });
      return undefined;
    },
    phases: [
      { run: "up", expect: "ok" },
      { run: "up", variant: "v2", expect: "fail" },
      { run: "preview", variant: "v2-again", expect: "ok" },
      { run: "up", variant: "v2-again", expect: "ok" },
    ],
  },
  {
    name: "failed-delete",
    about: "A delete that fails leaves the thing in the state; the next run tries again.",
    program: (variant) => {
      new Thing("a");
      if (variant === "v1") new Thing("b");
      return undefined;
    },
    phases: [
      { run: "up", expect: "ok" },
      {
        run: "up",
        variant: "v2",
        before: [{ failing: "delete", thing: "b", message: "in use" }],
        expect: "fail",
      },
      { run: "up", before: [{ healed: "delete", thing: "b" }], expect: "ok" },
    ],
  },
  {
    name: "failed-delete-of-replaced",
    about: "The old one of a replacement cannot be deleted: it stays marked until a later run can.",
    program: (variant) => {
      new Thing("a", { value: variant, replaceKeys: ["value"] });
      return undefined;
    },
    phases: [
      { run: "up", expect: "ok" },
      {
        run: "up",
        variant: "v2",
        before: [{ failing: "delete", thing: "a", message: "in use" }],
        expect: "fail",
      },
      { run: "up", expect: "fail" },
      { run: "up", before: [{ healed: "delete", thing: "a" }], expect: "ok" },
    ],
  },
  {
    name: "partial-failure",
    about: "A thing that exists but is not right is kept, with its errors, and updated by the next run.",
    program: (variant) => {
      const a = new Thing("a", {
        value: variant,
        failPartially: variant === "v1" ? "never ready" : undefined,
      });
      new Thing("b", { value: a.label });
      return undefined;
    },
    phases: [
      { run: "up", expect: "fail" },
      { run: "up", expect: "fail" },
      { run: "up", variant: "v2", expect: "ok" },
    ],
  },
  {
    name: "continue-on-error",
    about: "With it, what does not depend on the failure is done; nothing at all is deleted.",
    program: (variant) => {
      const failUpdate = variant === "v2" ? "not now" : undefined;
      const bad = new Thing("bad", { value: variant, failUpdate });
      new Thing("bad-follower", { value: bad.value });
      const good = new Thing("good", { value: variant, replaceKeys: ["value"] });
      new Thing("good-follower", { value: good.label });
      if (variant === "v1") new Thing("removed");
      return undefined;
    },
    phases: [
      { run: "up", expect: "ok" },
      { run: "up", variant: "v2", continueOnError: true, expect: "fail" },
      { run: "up", variant: "v3", continueOnError: true, expect: "ok" },
    ],
  },
  {
    name: "program-fails",
    about: "The program throws after it registered something: that is done, and nothing is deleted.",
    program: (variant) => {
      const a = new Thing("a", { value: variant });
      if (variant === "v2") {
        // Rejects only when `a` is done, so that what had been registered does not depend on timing.
        return { late: a.serial.apply(() => Promise.reject(new Error("the program gave up"))) };
      }
      new Thing("b");
      return undefined;
    },
    phases: [
      { run: "up", expect: "ok" },
      { run: "up", variant: "v2", expect: "fail" },
      { run: "up", variant: "v3", expect: "ok" },
    ],
  },
];
