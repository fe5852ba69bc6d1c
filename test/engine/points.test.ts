import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

/** The rules of point in time, as the host's script asks them: which times there are, what leads to one, what none needs any longer. */
const functions = readFileSync(new URL("../../components/backup/scripts/points.jq", import.meta.url), "utf8");

const day = (number: number, time = "01:00:00") => `2026-11-${String(number).padStart(2, "0")}T${time}Z`;
const segment = (number: number) => number.toString(16).toUpperCase().padStart(24, "0");
const base = (chain: string, number: number, first: number) => [
  { id: `data${number}`, kind: "data", chain },
  {
    id: `base${number}`,
    kind: "base",
    chain,
    data: `data${number}`,
    from: day(number),
    segment: segment(first),
  },
];
/** Of a day, or of a moment of it: a later one from the same segment on has all of an earlier one. */
const wal = (chain: string, id: string, first: number, last: number, until: string) => ({
  ...{ id, kind: "wal", chain, until },
  ...{ first: segment(first), last: segment(last) },
});

/** Base backups on the 1st, the 8th and the 15th; the log of each second day in one backup. */
const points = [
  ...base("1", 1, 10),
  ...base("1", 8, 17),
  ...base("1", 15, 24),
  wal("1", "before", 9, 10, day(1, "00:59:59")),
  ...[2, 4, 6, 8, 10, 12, 14].map((number) =>
    wal("1", `wal${number}`, number + 8, number + 10, day(number + 1)),
  ),
  wal("1", "grew", 24, 24, day(15, "00:00:00")),
  wal("1", "wal16", 24, 26, day(16, "12:00:00")),
];

function ask(filter: string, all: readonly object[] = points, known: object = {}): unknown[] {
  const { status, stdout, stderr } = spawnSync(
    "jq",
    ["--compact-output", "--argjson", "known", JSON.stringify(known), `${functions} ${filter}`],
    { input: JSON.stringify(all), encoding: "utf8" },
  );
  expect(status, stderr).toBe(0);
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}

const ids = (all: readonly { id: string }[]) => all.map(({ id }) => id);
interface Way {
  readonly base: { id: string };
  readonly log: readonly { id: string }[];
  readonly target: string | null;
}
const way = (at: string, all: readonly object[] = points, known: object = {}) =>
  (ask(`way("${at}"; $known)`, all, known) as Way[])[0];

describe("the window", () => {
  test("goes from the first base backup to the last of the log, over later base backups", () => {
    expect(ask("windows($known)")).toEqual([[{ chain: "1", from: day(1), until: day(16, "12:00:00") }]]);
  });

  test("goes on while nothing is written", () => {
    const known = { chain: "1", until: day(20) };
    expect(ask("windows($known) | .[0].until", points, known)).toEqual([day(20)]);
    expect(way(day(18), points, known)).toMatchObject({ base: { id: "base15" }, target: null });
  });

  test("is none without a label, or without log", () => {
    expect(ask("windows($known)", [])).toEqual([[]]);
    expect(
      ask(
        "windows($known)",
        points.filter(({ kind }) => kind !== "base"),
      ),
    ).toEqual([[]]);
    expect(
      ask(
        "windows($known)",
        points.filter(({ kind }) => kind !== "wal"),
      ),
    ).toEqual([[]]);
  });

  test("has a gap where log was lost", () => {
    const after = [...base("2", 18, 90), wal("2", "new", 90, 91, day(19))];
    expect(ask("windows($known) | map([.from, .until])", [...points, ...after])).toEqual([
      [
        [day(1), day(16, "12:00:00")],
        [day(18), day(19)],
      ],
    ]);
    expect(way(day(17), [...points, ...after])).toBeUndefined();
    expect(way(day(18, "12:00:00"), [...points, ...after])?.base.id).toBe("base18");
  });
});

describe("what leads to a time", () => {
  test("is the base backup before it and the log from there up to it", () => {
    const found = way(day(10));
    expect(found?.base.id).toBe("base8");
    expect(ids(found?.log ?? [])).toEqual(["wal8", "wal10"]);
    expect(found?.target).toBe(day(10));
  });

  test("is the newer of two that begin alike", () => {
    expect(ids(way(day(15, "06:00:00"))?.log ?? [])).toEqual(["wal14", "wal16"]);
  });

  test("is nothing outside the window, its ends included", () => {
    expect(way(day(1, "00:59:59"))).toBeUndefined();
    expect(way(day(1))?.base.id).toBe("base1");
    expect(way(day(16, "12:00:00"))?.base.id).toBe("base15");
    expect(way(day(16, "12:00:01"))).toBeUndefined();
  });
});

describe("what no time of the last days needs", () => {
  const gone = (since: string, all: readonly object[] = points) =>
    ask(`superfluous("${since}"; $known)`, all);

  test("is what is older than the last base backup before them, and what grew since", () => {
    expect(gone(day(9))).toEqual(["data1", "base1", "before", "wal2", "wal4", "wal6", "grew"]);
    expect(gone(day(1))).toEqual(["grew"]);
  });

  test("keeps every second of them", () => {
    const superfluous = gone(day(9));
    const left = points.filter(({ id }) => !superfluous.includes(id));
    const times = [9, 10, 11, 12, 13, 14, 15].flatMap((number) =>
      ["00:00:00", "01:00:00", "13:30:00"].map((time) => day(number, time)),
    );
    const ways = `[${times.map((at) => `(way("${at}"; $known) // null)`).join(", ")}]`;
    const [before] = ask(ways);
    expect(before).not.toContain(null);
    expect(ask(ways, left)).toEqual([before]);
  });

  test("never has the newest, however old that is", () => {
    expect(gone("2030-01-01T00:00:00Z")).toEqual(expect.not.arrayContaining(["base15", "data15", "wal16"]));
  });

  test("has a copy without a label, and all before a loss that the days do not reach", () => {
    const after = [...base("2", 18, 90), wal("2", "new", 90, 91, day(26))];
    const all = [...points, ...after, { id: "unfinished", kind: "data", chain: "2" }];
    expect(gone(day(19), all)).toEqual([...ids(points), "unfinished"]);
    expect(gone(day(16), all)).not.toContain("base15");
  });
});
