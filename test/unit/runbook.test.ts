import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

/** A system's runbook says which test proves what: each file has to be there, and each title that it quotes in it. */
const root = new URL("../../", import.meta.url);
const runbooks: [system: string, tests: number][] = [
  ["togather", 30],
  ["mfa", 15],
  ["connected-repo", 15],
  ["gadgetbot", 15],
  ["sertantai", 15],
];

test.each(runbooks)("every test that docs/runbooks/%s.md names is one", (system, least) => {
  const text = readFileSync(new URL(`docs/runbooks/${system}.md`, root), "utf8");
  const named = [...text.matchAll(/`(test\/[\w./-]+)`(?: "([^"]+)")?/g)];
  expect(named.length).toBeGreaterThan(least);
  const wrong = named.filter(([, file = "", title = ""]) => {
    const path = new URL(file, root);
    return !existsSync(path) || !readFileSync(path, "utf8").includes(title);
  });
  expect(wrong.map(([name]) => name)).toEqual([]);
});

test.each(runbooks)("every file of the program that docs/runbooks/%s.md names is there", (system) => {
  const text = readFileSync(new URL(`docs/runbooks/${system}.md`, root), "utf8");
  for (const [, path = ""] of text.matchAll(/`((?:components|policy|config|stacks\/|Pulumi)[\w./-]*)`/g))
    expect(existsSync(new URL(path, root)), path).toBe(true);
});
