import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DependencyGraph } from "../../lab/pulumi/engine/graph.ts";
import { covers, ignoreChanges, parsePath } from "../../lab/pulumi/engine/paths.ts";
import { parseDuration } from "../../lab/pulumi/engine/registration.ts";
import { Reporter } from "../../lab/pulumi/engine/reporter.ts";
import type { ResourceState } from "../../lab/pulumi/engine/resource-state.ts";
import { makeUrn, nameOf, typeOf } from "../../lab/pulumi/engine/urn.ts";
import {
  collectSecrets,
  containsSecret,
  equal,
  markEchoedSecrets,
  type PropertyMap,
  ResourceReference,
  reveal,
  Secret,
  type Value,
} from "../../lab/pulumi/engine/values.ts";
import { fromWire, toWire } from "../../lab/pulumi/engine/wire.ts";
import { unknownValue } from "../../lab/pulumi/providers/provider.ts";

const key = fc.stringMatching(/^[a-z][a-zA-Z]{0,5}$/);
const { value } = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.constantFrom(null, true, false, unknownValue),
    fc.integer(),
    fc.string(),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(key, tie("value"), { maxKeys: 3 }),
    tie("value").map((element) => new Secret(element)),
    fc.constant(new ResourceReference("urn:pulumi:s::p::t::n", "id-1", "")),
  ),
}));
const map: fc.Arbitrary<PropertyMap> = fc.dictionary(key, value, { maxKeys: 4 });
const everything = { keepUnknowns: true, keepSecrets: true, keepResources: true };

/** Nested secrets become one on the wire, as in Pulumi. */
function flat(part: Value): Value {
  if (part instanceof Secret) {
    const element = flat(part.element);
    return element instanceof Secret ? element : new Secret(element);
  }
  if (Array.isArray(part)) return part.map(flat);
  if (typeof part === "object" && part !== null && !(part instanceof ResourceReference)) {
    return Object.fromEntries(Object.entries(part).map(([name, element]) => [name, flat(element)]));
  }
  return part;
}

describe("property values", () => {
  test("are decoded as they were encoded", () => {
    fc.assert(
      fc.property(map, (properties) => {
        expect(equal(fromWire(toWire(properties, everything), { label: "test" }), flat(properties))).toBe(
          true,
        );
      }),
    );
  });

  test("for a provider that does not support secrets they are unwrapped, and nothing else changes", () => {
    fc.assert(
      fc.property(map, (properties) => {
        const plain = fromWire(toWire(properties, { ...everything, keepSecrets: false }), { label: "test" });
        expect(containsSecret(plain)).toBe(false);
        expect(equal(plain, reveal(properties))).toBe(true);
      }),
    );
  });

  test("a repeated secret is secret again, whatever its type", () => {
    fc.assert(
      fc.property(map, (properties) => {
        const echoed = markEchoedSecrets(reveal(properties) as PropertyMap, properties);
        const [given, marked] = [new Set<string>(), new Set<string>()];
        collectSecrets(properties, (text) => given.add(text));
        collectSecrets(echoed, (text) => marked.add(text));
        expect([...given].filter((text) => !marked.has(text))).toEqual([]);
      }),
    );
  });

  test("assets are refused by name", () => {
    const asset = { "4dabf18193072939515e22adb298388d": "c44067f5952c0a294b673a41bacd8c17", text: "x" };
    const message = toWire({ file: asset }, everything);
    expect(() => fromWire(message, { label: "a:b:C" })).toThrow(
      "a:b:C: the lab's engine does not support assets and archives",
    );
  });
});

describe("property paths", () => {
  test.each([
    ["a", ["a"]],
    ["a.b[0].c", ["a", "b", 0, "c"]],
    ['a["x.y"].z', ["a", "x.y", "z"]],
    ["list[*].name", ["list", "*", "name"]],
    ["*", ["*"]],
  ])("%s", (text, path) => {
    expect(parsePath(text)).toEqual(path);
  });

  test.each(["", ".", "a[", "a..b", "a[x]"])("%s is refused", (text) => {
    expect(() => parsePath(text)).toThrow("is not a property path");
  });

  test("a path covers what is below it", () => {
    expect(covers(parsePath("a"), parsePath("a.b[1]"))).toBe(true);
    expect(covers(parsePath("a[*].b"), parsePath("a[3].b.c"))).toBe(true);
    expect(covers(parsePath("a.b"), parsePath("a"))).toBe(false);
  });

  test.each<[string, PropertyMap, PropertyMap, string[], PropertyMap, string[]]>([
    ["top level", { a: 1, b: 1 }, { a: 2, b: 2 }, ["a"], { a: 1, b: 2 }, []],
    ["added at the top", {}, { a: 2 }, ["a"], {}, []],
    ["removed at the top", { a: 1 }, {}, ["a"], { a: 1 }, []],
    ["nested", { a: { b: 1, c: 1 } }, { a: { b: 2, c: 2 } }, ["a.b"], { a: { b: 1, c: 2 } }, []],
    [
      "every element",
      { a: [{ b: 1 }, { b: 2 }] },
      { a: [{ b: 3 }, { b: 4 }] },
      ["a[*].b"],
      { a: [{ b: 1 }, { b: 2 }] },
      [],
    ],
    ["an element that was added", { a: [1] }, { a: [1, 2] }, ["a[1]"], { a: [1, 2] }, ["a[1]"]],
  ])("ignoreChanges: %s", (_, olds, news, paths, inputs, invalid) => {
    expect(ignoreChanges(news, olds, paths)).toEqual({ inputs, invalid });
  });
});

describe("URNs, durations, masks", () => {
  test("a URN contains its parents' types, without the stack's", () => {
    const stack = makeUrn("dev", "p", "", "pulumi:pulumi:Stack", "p-dev");
    const component = makeUrn("dev", "p", stack, "a:b:C", "c");
    const child = makeUrn("dev", "p", component, "d:e:F", "x::y");
    expect(child).toBe("urn:pulumi:dev::p::a:b:C$d:e:F::x::y");
    expect([typeOf(child), nameOf(child)]).toEqual(["d:e:F", "x::y"]);
  });

  test.each([
    ["30s", 30],
    ["5m", 300],
    ["1h30m", 5400],
    ["500ms", 0.5],
  ])("%s is %d seconds", (text, seconds) => {
    expect(parseDuration(text)).toBe(seconds);
  });

  test("a duration without a unit is refused", () => {
    expect(() => parseDuration("30")).toThrow('customTimeouts: "30" is not a duration');
  });

  test("secrets, their lines and their JSON form are masked in all output", () => {
    const said: string[] = [];
    const reporter = new Reporter((event) => event.kind === "diagnostic" && said.push(event.message));
    const key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\n-----END KEY-----";
    reporter.addSecretsOf({
      a: new Secret({ b: 'hunter"2' }),
      c: new Secret(key),
      d: "plain",
      e: new Secret("ok"),
    });
    reporter.say("info", `1 hunter"2 2 ${JSON.stringify('hunter"2')} 3 MIIEvQIBADANBgkq 4 ${key} 5 plain ok`);
    expect(said).toEqual(['1 [secret] 2 "[secret]" 3 [secret] 4 [secret] 5 plain ok']);
  });

  test("whole scripts may be secrets, more of them than one regular expression takes", () => {
    const said: string[] = [];
    const reporter = new Reporter((event) => event.kind === "diagnostic" && said.push(event.message));
    const scripts = Array.from({ length: 50 }, (_, index) => `${index}: ${"echo a line\n".repeat(10_000)}`);
    expect(() => "a".replace(new RegExp(scripts.join("|"), "g"), "")).toThrow("too large");
    for (const script of scripts) reporter.addSecret(script);
    for (const word of ["secret", "sec"]) reporter.addSecret(word);
    reporter.say("info", `a ${scripts[7]} b echo a line c sec d`);
    expect(said).toEqual(["a [secret] b echo a line c [secret] d"]);
  });
});

describe("deletion order", () => {
  const state = (name: string, dependencies: string[], extra: Partial<ResourceState> = {}) =>
    ({
      urn: name,
      custom: true,
      provider: "",
      parent: "",
      deletedWith: "",
      dependencies,
      propertyDependencies: {},
      ...extra,
    }) as ResourceState;

  test("dependents go before what they depend on, in as few groups as possible", () => {
    const all = [
      state("a", []),
      state("b", ["a"]),
      state("c", ["a"]),
      state("d", ["b", "c"]),
      state("e", []),
    ];
    const groups = new DependencyGraph(all)
      .deletionOrder(all)
      .map((group) => group.map(({ urn }) => urn).sort());
    expect(groups).toEqual([["d"], ["b", "c"], ["a", "e"]]);
  });

  test("depending on a component means depending on all its children", () => {
    const all = [state("c", [], { custom: false }), state("c/x", [], { parent: "c" }), state("y", ["c"])];
    const groups = new DependencyGraph(all).deletionOrder(all).map((group) => group.map(({ urn }) => urn));
    expect(groups).toEqual([["y"], ["c/x"], ["c"]]);
  });
});
