import { readFileSync } from "node:fs";

/** docs/security.md as data. */

export interface Control {
  readonly id: string;
  /** `passed`, `as <id>`, or why not. */
  readonly result: string;
}

export interface ControlList {
  /** Of the repository: `dev-sec/ssh-baseline`. */
  readonly name: string;
  /** How many controls the page says that the list has. */
  readonly count: number;
  readonly controls: readonly Control[];
}

/** `5.2 to 5.32`: every id from the one to the other. A single id is itself. */
export function idsOf(range: string): string[] {
  const [first = "", last] = range.split(" to ");
  if (last === undefined) return [first];
  const [, prefix = "", from, endPrefix, to] = /^(.*?)(\d+) to (.*?)(\d+)$/.exec(range) ?? [];
  if (prefix !== endPrefix || !(Number(from) < Number(to)))
    throw new Error(`not a range of controls: ${range}`);
  return Array.from(
    { length: Number(to) - Number(from) + 1 },
    (_, index) => `${prefix}${Number(from) + index}`,
  );
}

/** The lists of the page, in its order: each begins with the line that names its repository and counts its controls. */
export function controlLists(markdown: string): ControlList[] {
  const lists: { name: string; count: number; controls: Control[] }[] = [];
  for (const line of markdown.split("\n")) {
    const name = /https:\/\/github\.com\/([\w-]+\/[\w-]+)\) at `[0-9a-f]{7}`/.exec(line)?.[1];
    const count = /: (\d+) controls\./.exec(line)?.[1];
    if (name !== undefined) lists.push({ name, count: Number(count), controls: [] });
    const [, range = "", result = ""] = /^\| ([^|]+) \| [^|]+ \| ([^|]+) \|$/.exec(line) ?? [];
    if (range === "" || range === "control" || range.startsWith("to ")) continue;
    const ids = idsOf(range);
    const meant = result.startsWith("as ") ? idsOf(result.slice(3)) : [];
    lists.at(-1)?.controls.push(
      ...ids.map((id, index) => ({
        id,
        result:
          meant.length === 0 ? result : `as ${meant[index] ?? (meant.length === 1 ? meant[0] : "nothing")}`,
      })),
    );
  }
  return lists;
}

/** What is wrong with the page: what is forgotten, passed without a check, checked without a row, or left without a reason. */
export function problemsOf(lists: readonly ControlList[], checked: readonly string[]): string[] {
  const every = lists.flatMap(({ controls }) => controls);
  const ids = every.map(({ id }) => id);
  return [
    ...lists.flatMap(({ name, count, controls }) =>
      controls.length === count
        ? []
        : [`${name} has ${count} controls, the page has rows for ${controls.length}`],
    ),
    ...ids.flatMap((id, index) => (ids.indexOf(id) === index ? [] : [`${id} has two rows`])),
    ...every.flatMap(({ id, result }) => {
      const other = /^as (.+)$/.exec(result)?.[1];
      if (other !== undefined) return ids.includes(other) ? [] : [`${id} is as ${other}, which has no row`];
      if (result === "passed") return checked.includes(id) ? [] : [`${id} is passed without a check`];
      if (checked.includes(id)) return [`${id} has a check, and the page does not say that it is passed`];
      // One sentence, at least.
      return /^[A-Z0-9`].{15,}\.$/.test(result) ? [] : [`${id} has no reason: ${result}`];
    }),
    ...checked.flatMap((id) => (ids.includes(id) ? [] : [`${id} has a check and no row`])),
  ];
}

export const securityPage = readFileSync(new URL("../../../docs/security.md", import.meta.url), "utf8");
