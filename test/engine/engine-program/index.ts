/** The programs of engine.test.ts: `engine:program` says which. */
import { writeFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { Component, Testing, Thing } from "../../conformance/things.ts";

const config = new pulumi.Config();

const programs: Readonly<Record<string, () => unknown>> = {
  things: () => {
    const a = new Thing("a", { value: "one" });
    new Thing("b", { value: a.label });
    return undefined;
  },
  "things-changed": () => {
    const a = new Thing("a", { value: "two", replaceKeys: ["value"] });
    new Thing("b", { value: a.label });
    return undefined;
  },
  secrets: () => {
    const password = config.requireSecret("password");
    console.log(`the password is ${config.require("password")}`);
    const a = new Thing("a", { value: password, nested: { deep: [password] } });
    return new Thing("b", { value: pulumi.interpolate`postgres://u:${a.value}@h` }).value;
  },
  "secret-in-an-error": () =>
    new Thing("c", { failCreate: pulumi.interpolate`cannot use ${config.requireSecret("password")}` }).value,
  everything: () => {
    const provider = new Testing("own", { setting: config.requireSecret("password") });
    const component = new Component(
      "component",
      (self) => {
        const inner = new Thing("inner", { value: "x" }, { parent: self });
        return { label: inner.label };
      },
      { providers: [provider] },
    );
    const kept = new Thing("kept", { value: "y" }, { protect: true, dependsOn: [component] });
    new Thing(
      "ignoring",
      { value: kept.label, random: String(Math.random()) },
      { ignoreChanges: ["random"] },
    );
    new Thing("with", { value: "z" }, { deletedWith: kept, customTimeouts: { create: "30s", delete: "1m" } });
    new Thing(
      "former",
      {},
      { aliases: [{ name: "before" }], additionalSecretOutputs: ["label"], retainOnDelete: true },
    );
    return kept.label;
  },
  transforms: () => new Thing("t", {}, { transforms: [() => undefined] }),
  "error-hooks": () =>
    new Thing("h", {}, { hooks: { onError: [new pulumi.ErrorHook("hook", async () => false)] } }),
  "secret-in-a-hook": async () => {
    // Not for the other programs, which begin sooner without.
    const { sayRestored } = await import("../../../components/backup/restore.ts");
    const hook = new pulumi.ResourceHook("said", ({ newOutputs }) => sayRestored(newOutputs?.value));
    return new Thing(
      "restored",
      { value: config.require("said") },
      { additionalSecretOutputs: ["value"], hooks: { afterCreate: [hook] } },
    ).label;
  },
  original: () => new Thing("original", { value: "old" }),
  import: () => new Thing("imported", { value: "new", other: "x" }, { import: "original-1" }).label,
  "import-as-it-is": () =>
    new Thing("imported", { value: "new" }, { import: "original-1", ignoreChanges: ["value"] }).label,
  "import-missing": () => new Thing("imported", {}, { import: "some-id" }),
  "import-another": () => new Thing("imported", {}, { import: "original-2" }),
  imported: () => new Thing("imported", { value: "new", other: "x" }).label,
  get: () => new Thing("got", {}, { id: "some-id" }),
  asset: () => new Thing("asset", { file: new pulumi.asset.StringAsset("text") }),
  "replace-with": () => new Thing("r", {}, { replaceWith: [new Thing("q")] }),
  "late-outputs": () => {
    new Thing("a", { failCheck: "value: not allowed" });
    process.on("exit", () => console.log("ended by itself"));
    return new Promise((resolve) => setTimeout(() => resolve("said"), 500));
  },
  throws: () => {
    new Thing("a");
    throw new Error("no such thing");
  },
  hangs: () => {
    writeFileSync(process.env.PID_FILE ?? "", String(process.pid));
    return new Promise(() => setInterval(() => {}, 1000));
  },
};

export const outputs = programs[config.require("program")]?.();
