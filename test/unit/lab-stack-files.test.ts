import { describe, expect, test } from "vitest";
import { applySetting, parseSetting } from "../../lab/stack/set-option.ts";
import { readStackFile } from "../../lab/stack/stack-file.ts";
import { projectDir, stackFolder, withEmptyLabs } from "./lab-stack-fixtures.ts";

withEmptyLabs();

describe("a stack file", () => {
  test("keys without a namespace belong to the project; encrypted values are listed, not read", () => {
    const folder = stackFolder("config:\n  colour: blue\n  a:b: {c: 1}\n  a:key: {secure: v1:abc}\n");
    const file = readStackFile(folder, "berth", "trial");
    expect(file.values).toEqual({ "berth:colour": "blue", "a:b": { c: 1 } });
    expect(file.encryptedKeys).toEqual(["a:key"]);
  });

  test("an unknown stack is refused with a list of the stacks", () => {
    expect(() => readStackFile(projectDir, "berth", "prod")).toThrow(
      '--stack: there is no stack "prod"; use one of: development, production, staging',
    );
    expect(() => readStackFile(projectDir, "berth", "../production")).toThrow("there is no stack");
  });

  test("refuses an encrypted value inside another", () => {
    const folder = stackFolder("config:\n  a:b:\n    c: {secure: v1:abc}\n");
    expect(() => readStackFile(folder, "berth", "trial")).toThrow(
      "Pulumi.trial.yaml: a:b: holds an encrypted value inside",
    );
  });

  test("invalid YAML is reported with its position", () => {
    expect(() => readStackFile(stackFolder("config: [a"), "berth", "trial")).toThrow("line 1");
  });
});

describe("--set", () => {
  const values = { "a:b": { version: "16", replicas: 1, list: ["x"], nested: { "na/me": { deep: "old" } } } };
  test.each([
    ["a:b.version=17", { version: "17" }],
    ["a:b.replicas=2", { replicas: 2 }],
    ["a:b.added=true", { added: true }],
    ["a:b.list[0]=y", { list: ["y"] }],
    ["a:b.list[1]=z", { list: ["x", "z"] }],
    ['a:b.nested["na/me"].deep=a=b', { nested: { "na/me": { deep: "a=b" } } }],
    ["a:b.added.further={x: [1]}", { added: { further: { x: [1] } } }],
  ])("%s", (argument, changed) => {
    const before = structuredClone(values);
    expect(applySetting(values, parseSetting(argument))).toEqual({ "a:b": { ...values["a:b"], ...changed } });
    expect(values).toEqual(before);
  });

  test.each([
    ["a:b.version", '"a:b.version" has no "=value"'],
    ["version=1", '"version" does not begin with namespace:key'],
    ["a:b..x=1", '"..x" in "a:b..x" is not a path'],
    ["a:b[x]=1", '"[x]" in "a:b[x]" is not a path'],
  ])("refuses %s", (argument, message) => {
    expect(() => parseSetting(argument)).toThrow(message);
  });

  test.each([
    ["a:b.version.x=1", 'a:b.version is not an object, so it has no field "x"'],
    ["a:b.version[0]=1", "a:b.version is not a list"],
    ["a:b.list[5]=1", "a:b.list has 1 entries; [5] would leave a gap"],
  ])("refuses %s for what is there", (argument, message) => {
    expect(() => applySetting(values, parseSetting(argument))).toThrow(message);
  });
});
