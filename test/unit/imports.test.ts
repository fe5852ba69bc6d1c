import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { cycles, grouped, importGraph, importsIn } from "./import-graph.ts";

const files = importGraph(fileURLToPath(new URL("../../", import.meta.url)));

/** The folders that each folder may import. Only the lab and the tests know that a lab exists. */
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
const folderOf = (path: string) => (path === "config.ts" ? "config" : (path.split("/")[0] ?? path));

describe("imports between folders", () => {
  test("every import is allowed", () => {
    const forbidden = [...files].flatMap(([file, imports]) =>
      [...imports]
        .filter((other) => folderOf(other) !== folderOf(file))
        .filter((other) => !(allowed[folderOf(file)] ?? []).includes(folderOf(other)))
        .map((other) => `${file} imports ${other}`),
    );
    expect(forbidden).toEqual([]);
  });

  test("every folder is listed, and every listed folder exists", () => {
    expect(Object.keys(allowed).sort()).toEqual([...grouped(files, folderOf).keys()].sort());
  });

  test("no two folders import each other", () => {
    expect(cycles(grouped(files, folderOf))).toEqual([]);
  });

  test("no two folders of the lab import each other", () => {
    const labFolder = (path: string) => /^lab\/(pulumi\/)?[^/]+/.exec(path)?.[0];
    expect(cycles(grouped(files, labFolder))).toEqual([]);
  });

  test("no file imports itself, directly or indirectly", () => {
    expect(cycles(files)).toEqual([]);
  });
});

describe("the import graph", () => {
  test("contains every kind of import", () => {
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

  test("contains cycles of any length, and nothing else", () => {
    const graph = (...arrows: string[]) =>
      new Map(arrows.map((arrow) => [arrow[0] ?? "", new Set(arrow.slice(1))]));
    expect(cycles(graph("abc", "bc", "c"))).toEqual([]);
    expect(cycles(graph("ab", "bc", "cd", "db"))).toEqual([["b", "c", "d"]]);
    expect(cycles(graph("aa"))).toEqual([["a"]]);
    expect(cycles(graph("ab", "ba", "cd", "dc"))).toEqual([
      ["a", "b"],
      ["c", "d"],
    ]);
  });
});
