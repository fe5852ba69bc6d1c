import { beforeAll, describe, expect, test } from "vitest";
import { isWritten, type MachineCheck } from "../hardening/checks.ts";
import { checks } from "../hardening/index.ts";
import { controlLists, securityPage } from "../hardening/page.ts";
import { scenarios } from "../search.ts";
import { onMachine } from "../support.ts";

/** What docs/security.md says is passed, asked of a machine; that the page is complete is tested in test/unit/hardening.test.ts. */

scenarios();

const lists = controlLists(securityPage).map(({ name, controls }) => ({
  name,
  passed: controls.filter(({ result }) => result === "passed").map(({ id }) => id),
}));
const asked = Object.entries(checks).filter((each): each is [string, MachineCheck] => !isWritten(each[1]));

const answers = new Map<string, string>();
beforeAll(async () => {
  const mark = "=== control ";
  const script = asked.map(([id, { run }]) => `echo '${mark}${id}'\n{ ${run}\n} 2>&1 || true`).join("\n");
  for (const part of (await onMachine(script, 300)).split(mark).slice(1)) {
    const end = part.indexOf("\n");
    answers.set(part.slice(0, end), part.slice(end).trim());
  }
});

describe.each(lists)("$name", ({ passed }) => {
  test.each(passed)("%s", (id) => {
    const check = checks[id];
    if (check === undefined) throw new Error(`${id} is passed without a check`);
    if (isWritten(check)) {
      process.stdout.write(`${id}: not checked here, ${check.notHere}\n`);
      return;
    }
    const { run, says } = check;
    if (typeof says === "string") expect(answers.get(id), run).toBe(says);
    else expect(answers.get(id), run).toMatch(says);
  });
});
