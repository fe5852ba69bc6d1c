import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

/** The runbook says which test proves what: each file has to be there, and each title that it quotes in it. */
const root = new URL("../../", import.meta.url);

test("every test that docs/runbooks/togather.md names is one", () => {
  const text = readFileSync(new URL("docs/runbooks/togather.md", root), "utf8");
  const named = [...text.matchAll(/`(test\/[\w./-]+)`(?: "([^"]+)")?/g)];
  expect(named.length).toBeGreaterThan(30);
  const wrong = named.filter(([, file = "", title = ""]) => {
    const path = new URL(file, root);
    return !existsSync(path) || !readFileSync(path, "utf8").includes(title);
  });
  expect(wrong.map(([name]) => name)).toEqual([]);
});

test("every file of the program that it names is there", () => {
  const text = readFileSync(new URL("docs/runbooks/togather.md", root), "utf8");
  for (const [, path = ""] of text.matchAll(/`((?:components|policy|config|Pulumi)[\w./-]*)`/g))
    expect(existsSync(new URL(path, root)), path).toBe(true);
});
