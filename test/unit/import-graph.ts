import { globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import ts from "typescript";

/** Nodes, each with the nodes that it points to. */
export type Graph = ReadonlyMap<string, ReadonlySet<string>>;

/** Relative modules that a source text imports, including type imports, re-exports and `import()` as they are written. */
export function importsIn(source: string): string[] {
  return ts
    .preProcessFile(source, true, true)
    .importedFiles.map(({ fileName }) => fileName)
    .filter((name) => name.startsWith("."));
}

/** Every TypeScript file of a folder, `node_modules` left out, and the files that it imports. Paths are relative to the folder. */
export function importGraph(folder: string): Graph {
  const files = globSync("**/*.ts", { cwd: folder, exclude: (name) => name === "node_modules" });
  return new Map(
    files.map((file) => {
      const imports = importsIn(readFileSync(join(folder, file), "utf8"));
      return [file, new Set(imports.map((path) => join(dirname(file), path)))];
    }),
  );
}

/** The graph of groups of nodes, without edges inside a group and without nodes that have no group. */
export function grouped(graph: Graph, groupOf: (node: string) => string | undefined): Graph {
  const result = new Map<string, Set<string>>();
  for (const [from, targets] of graph) {
    const group = groupOf(from);
    if (group === undefined) continue;
    const groups = result.get(group) ?? new Set<string>();
    result.set(group, groups);
    for (const target of targets) {
      const other = groupOf(target);
      if (other !== undefined && other !== group) groups.add(other);
    }
  }
  return result;
}

/** Cycles of the graph, each as a sorted list of nodes (Tarjan's strongly connected components). */
export function cycles(graph: Graph): string[][] {
  const found: string[][] = [];
  const index = new Map<string, number>();
  const lowest = new Map<string, number>();
  const stack: string[] = [];
  const visit = (node: string) => {
    index.set(node, index.size);
    let low = index.size - 1;
    stack.push(node);
    for (const next of graph.get(node) ?? []) {
      if (!index.has(next)) visit(next);
      if (stack.includes(next)) low = Math.min(low, lowest.get(next) ?? index.get(next) ?? low);
    }
    lowest.set(node, low);
    if (low !== index.get(node)) return;
    const circle = stack.splice(stack.indexOf(node));
    if (circle.length > 1 || graph.get(node)?.has(node)) found.push(circle.sort());
  };
  for (const node of graph.keys()) if (!index.has(node)) visit(node);
  return found;
}
