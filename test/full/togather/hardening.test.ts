import { beforeAll, expect, test } from "vitest";
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

test.each(lists)("$name", ({ passed }) => {
  const wrong = passed.flatMap((id): readonly object[] => {
    const check = checks[id];
    if (check === undefined) return [{ id, said: "nothing: it is passed without a check" }];
    if (isWritten(check)) {
      process.stdout.write(`${id}: not checked here, ${check.notHere}\n`);
      return [];
    }
    const said = answers.get(id) ?? "nothing was asked";
    const { run, says } = check;
    return (typeof says === "string" ? said === says : says.test(said)) ? [] : [{ id, run, says, said }];
  });
  expect(wrong).toEqual([]);
});
