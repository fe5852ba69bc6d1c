import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { circles, grouped, importGraph, importsIn } from "./import-graph.ts";

const files = importGraph(fileURLToPath(new URL("../../", import.meta.url)));

/** What each room may import. Nothing but the lab and the tests knows that a lab exists. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  components: [],
  stacks: ["components"],
  config: ["components"],
  policy: ["components", "config"],
  "index.ts": ["components", "stacks", "config", "policy"],
  ops: ["components", "stacks"],
  lab: ["components", "stacks", "config", "policy", "ops"],
  scripts: [],
  test: ["components", "stacks", "config", "policy", "index.ts", "ops", "lab"],
  "vitest.config.ts": ["scripts"],
};

/** The first folder of a path; `config.ts` belongs to the folder beside it. */
const roomOf = (path: string) => (path === "config.ts" ? "config" : (path.split("/")[0] ?? path));

describe("imports between rooms", () => {
  test("each is allowed", () => {
    const forbidden = [...files].flatMap(([file, imports]) =>
      [...imports]
        .filter((other) => roomOf(other) !== roomOf(file))
        .filter((other) => !(allowed[roomOf(file)] ?? []).includes(roomOf(other)))
        .map((other) => `${file} imports ${other}`),
    );
    expect(forbidden).toEqual([]);
  });

  test("every room has its line, and no line is left over", () => {
    expect(Object.keys(allowed).sort()).toEqual([...grouped(files, roomOf).keys()].sort());
  });

  test("none leads back", () => {
    expect(circles(grouped(files, roomOf))).toEqual([]);
  });

  test("none of the lab's rooms leads back", () => {
    const labRoom = (path: string) => /^lab\/(pulumi\/)?[^/]+/.exec(path)?.[0];
    expect(circles(grouped(files, labRoom))).toEqual([]);
  });

  test("no file leads back to itself", () => {
    expect(circles(files)).toEqual([]);
  });
});

describe("what finds them", () => {
  test("sees every kind of import", () => {
    const source = [
      'import type { A } from "./type.ts";',
      'export { b } from "../export.ts";',
      'const c = await import("./dynamic.ts");',
      'import "./effect.ts";',
      'import { z } from "zod";',
      '// import { d } from "./comment.ts";',
    ].join("\n");
    expect(importsIn(source).sort()).toEqual(["../export.ts", "./dynamic.ts", "./effect.ts", "./type.ts"]);
  });

  test("finds circles of any length, and nothing else", () => {
    const graph = (...arrows: string[]) =>
      new Map(arrows.map((arrow) => [arrow[0] ?? "", new Set(arrow.slice(1))]));
    expect(circles(graph("abc", "bc", "c"))).toEqual([]);
    expect(circles(graph("ab", "bc", "cd", "db"))).toEqual([["b", "c", "d"]]);
    expect(circles(graph("aa"))).toEqual([["a"]]);
    expect(circles(graph("ab", "ba", "cd", "dc"))).toEqual([
      ["a", "b"],
      ["c", "d"],
    ]);
  });
});
