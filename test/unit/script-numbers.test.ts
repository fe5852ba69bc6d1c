import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("../../components", import.meta.url));
const scripts = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((name) =>
  name.endsWith(".sh"),
);
const programs = scripts.flatMap((name) =>
  [...readFileSync(join(root, name), "utf8").matchAll(/\bawk\b[^'\n]*'(?<program>[^']*)'/g)].map((match) => ({
    name,
    program: match.groups?.program ?? "",
  })),
);

/**
 * Debian's awk is mawk, whose version 1.3.4 in Debian 12 prints 5000000000 as 5e+09, and as 2147483647 by `%d`: bytes, rows and blocks are larger.
 */
test("awk prints sums with %.0f, or as mebibytes", () => {
  expect(programs.length).toBeGreaterThan(20);
  const wrong = programs.filter(
    ({ program }) =>
      (/%[di]/.test(program) && !program.includes("/ 1048576")) || /\bprint\b[^;}]*[a-z] \+ 0/.test(program),
  );
  expect(wrong).toEqual([]);
});
