import * as pulumi from "@pulumi/pulumi";
import type { Scenario } from "../format.ts";
import { Component, Testing, Thing } from "../things.ts";

/** What a resource's options change. */
export const options: readonly Scenario[] = [
  {
    name: "protect-delete",
    about:
      "A protected thing that the program no longer has is not deleted, until a run has taken the protection off.",
    program: (variant) => {
      new Thing("other", { value: variant });
      if (variant !== "removed") new Thing("kept", {}, { protect: variant !== "unprotected" });
      return undefined;
    },
    phases: [
      { run: "up", expect: "ok" },
      { run: "preview", variant: "removed", expect: "fail" },
      { run: "up", expect: "fail" },
      { run: "destroy", expect: "fail" },
      { run: "up", variant: "unprotected", expect: "ok" },
      { run: "up", variant: "removed", expect: "ok" },
    ],
  },
  {
    name: "protect-replace",
    about: "A protected thing is not replaced either; it is updated.",
    program: (variant) => {
      const [value, other] =
        { v1: ["one", "x"], updated: ["one", "y"], replaced: ["two", "y"] }[variant] ?? [];
      new Thing("kept", { value, other, replaceKeys: ["value"] }, { protect: true });
      return undefined;
    },
    phases: [
      { run: "up", expect: "ok" },
      { run: "up", variant: "updated", expect: "ok" },
      { run: "preview", variant: "replaced", expect: "fail" },
      { run: "up", expect: "fail" },
    ],
  },
  {
    name: "deleted-with",
    about: "A thing that goes with another is not deleted by itself when both go; alone, it is.",
    program: (variant) => {
      if (variant === "none") return undefined;
      const service = new Thing("service");
      const database = new Thing("database", { value: service.label }, { deletedWith: service });
      if (variant === "v1") new Thing("extension", { value: database.label }, { deletedWith: service });
      return undefined;
    },
    phases: [
      { run: "up", expect: "ok" },
      { run: "up", variant: "without-extension", expect: "ok" },
      { run: "up", variant: "none", expect: "ok" },
      { run: "up", variant: "v1", expect: "ok" },
      { run: "destroy", expect: "ok" },
    ],
  },
  {
    name: "ignore-changes",
    about: "Ignored properties keep their old value, nested ones too; the others still update.",
    program: (variant) => {
      new Thing(
        "a",
        { value: variant, labels: { version: variant, owner: variant === "v3" ? "ops" : "dev" } },
        { ignoreChanges: ["value", "labels.version"] },
      );
      new Thing("new-property", variant === "v1" ? {} : { value: variant }, { ignoreChanges: ["value"] });
      return undefined;
    },
    phases: [
      { run: "up", expect: "ok" },
      { run: "preview", variant: "v2", expect: "ok" },
      { run: "up", expect: "ok" },
      { run: "up", variant: "v3", expect: "ok" },
    ],
  },
  {
    name: "secrets",
    about:
      "Secret inputs, outputs that echo them, named secret outputs and what is made from them stay secret in the state.",
    program: (variant) => {
      const password = pulumi.secret(`canary-of-the-password-${variant}`);
      const a = new Thing("a", { value: password, plain: "visible", nested: { inner: [password] } });
      const b = new Thing("b", { value: a.value, also: "visible" });
      const c = new Thing("c", { value: "plain" }, { additionalSecretOutputs: ["label"] });
      new Thing("d", { value: pulumi.interpolate`${c.label} of ${b.label}` });
      return { password: b.value, label: c.label, open: b.label };
    },
    phases: [
      { run: "preview", expect: "ok" },
      { run: "up", expect: "ok" },
      { run: "up", expect: "ok" },
      { run: "up", variant: "v2", expect: "ok" },
      { run: "refresh", expect: "ok" },
    ],
    recordCalls: true,
  },
  {
    name: "depends-on-chain",
    about:
      "dependsOn orders what shares no property, a component included; all of it in reverse when destroyed.",
    program: () => {
      const first = new Thing("first", { delayMilliseconds: 200 });
      const group = new Component("group", (parent) => {
        const options = { parent, dependsOn: [first] };
        return { one: new Thing("one", {}, options).label, two: new Thing("two", {}, options).label };
      });
      const last = new Thing("last", {}, { dependsOn: [group] });
      new Thing("after-last", {}, { dependsOn: [last] });
      return undefined;
    },
    phases: [
      { run: "up", expect: "ok" },
      { run: "destroy", expect: "ok" },
    ],
  },
  {
    name: "component",
    about:
      "Children of a component, one of another thing: created after their parent, and options that they inherit.",
    program: (variant) => {
      new Component(
        "outer",
        (outer) => {
          const inner = new Component("inner", (parent) => ({ a: new Thing("a", {}, { parent }).label }), {
            parent: outer,
          });
          const b = new Thing(
            "b",
            { value: variant === "protected" ? "v2" : variant, replaceKeys: ["value"] },
            { parent: inner },
          );
          new Thing("child-of-b", {}, { parent: b });
          return { b: b.label };
        },
        { protect: variant === "protected" },
      );
      return undefined;
    },
    phases: [
      { run: "up", expect: "ok" },
      { run: "up", variant: "v2", expect: "ok" },
      { run: "up", variant: "protected", expect: "ok" },
      { run: "destroy", expect: "fail" },
      { run: "up", variant: "v2", expect: "ok" },
      { run: "destroy", expect: "ok" },
    ],
  },
  {
    name: "explicit-provider",
    about:
      "A provider is a resource: made before its things, updated when its configuration changes, gone after them.",
    program: (variant) => {
      const host = new Thing("host", { value: variant });
      const provider = new Testing("docker", { host: host.label, region: variant });
      const a = new Thing("a", {}, { provider });
      new Component("group", (parent) => ({ b: new Thing("b", { value: a.label }, { parent }).label }), {
        providers: [provider],
      });
      return undefined;
    },
    phases: [
      { run: "preview", expect: "ok" },
      { run: "up", expect: "ok" },
      { run: "preview", variant: "v2", expect: "ok" },
      { run: "up", expect: "ok" },
      { run: "refresh", expect: "ok" },
      { run: "destroy", expect: "ok" },
    ],
  },
  {
    name: "provider-of-replaced-host",
    about:
      "A provider configured from a thing that is replaced is updated between the new thing and its own; previews do not know its host.",
    program: (variant) => {
      const host = new Thing("host", { value: variant, replaceKeys: ["value"] });
      const provider = new Testing("docker", { host: host.label });
      new Thing("a", { value: variant }, { provider });
      new Thing("unchanged", {}, { provider });
      return undefined;
    },
    phases: [
      { run: "up", expect: "ok" },
      { run: "preview", variant: "v2", expect: "ok" },
      { run: "up", expect: "ok" },
    ],
  },
];
