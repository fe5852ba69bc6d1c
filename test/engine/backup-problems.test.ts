import { describe, expect, test } from "vitest";
import { backupProblemsOf } from "../backup-problems.ts";

/** What `ops status` and the alerts of a host say of records of backups, by the real jq. */

const now = Date.parse("2026-11-26T12:00:00Z");
const source = "database togather_postgres/togather";
const well = {
  of: "togather",
  backup: { attempt: "2026-11-26T02:01:00Z", problem: "" },
  sources: { [source]: { ok: "2026-11-26T02:00:30Z", attempt: "2026-11-26T02:00:30Z", problem: "" } },
  drills: { [source]: { ok: "2026-11-22T04:00:30Z", attempt: "2026-11-22T04:00:30Z", problem: "" } },
};

const problems = (record: object) => backupProblemsOf(record, now);
const says = (record: object) => problems(record).map((each) => each.says);
const changed = (part: "sources" | "drills", more: object) =>
  says({ ...well, [part]: { [source]: { ...well[part][source], ...more } } });

describe("records of backups", () => {
  test("that are well are no problem", () => {
    expect(says(well)).toEqual([]);
    expect(says({ of: "togather" })).toEqual([]);
  });

  test("say what is stale, failed, small, never drilled", () => {
    expect(changed("sources", { ok: "2026-11-25T02:00:00Z" })).toEqual([
      "backup of database togather_postgres/togather (togather) is STALE: the last good one is 34 h 0 min old",
    ]);
    expect(changed("sources", { problem: "it has 10 bytes" })).toEqual([
      "backup of database togather_postgres/togather (togather), 9 h 59 min ago: it has 10 bytes",
    ]);
    expect(changed("drills", { ok: "2026-11-17T04:00:00Z" })).toEqual([
      "drill of database togather_postgres/togather (togather) is STALE: the last good one is 9 days old",
    ]);
    expect(changed("drills", { ok: undefined, problem: "does not restore" })).toEqual([
      expect.stringContaining("does not restore"),
      expect.stringContaining("the last good one is none"),
    ]);
    const { drills: _, ...undrilled } = well;
    expect(says(undrilled)).toEqual([`drill of ${source} (togather): there was none yet`]);
    expect(says({ ...well, backup: { attempt: "2026-11-26T02:01:00Z", problem: "1 of 2 failed" } })).toEqual([
      "backup of togather: 1 of 2 failed",
    ]);
  });

  test("ask for no drill of a folder", () => {
    const folder = { "folder /mnt/data/git": well.sources[source] };
    expect(says({ ...well, sources: { ...well.sources, ...folder } })).toEqual([]);
  });

  test("ask for no drill of Pulumi's state, and for no new one each night: deploys may be weeks apart", () => {
    const state = { "state production": { ...well.sources[source], ok: "2026-10-01T00:00:00Z" } };
    expect(says({ ...well, sources: { ...well.sources, ...state } })).toEqual([]);
  });

  test("name the alert, and what it is about", () => {
    expect(problems({ ...well, drills: {} })).toEqual([
      expect.objectContaining({ alert: "drill", of: `${source} (togather)` }),
    ]);
  });
});

describe("records of point in time", () => {
  const server = "togather_postgres";
  const ok = "2026-11-26T11:56:00Z";
  const good = {
    ...{ attempt: ok, problem: "", until: ok, everyMinutes: 5 },
    base: { ok: "2026-11-22T01:10:00Z", attempt: "2026-11-22T01:10:00Z", problem: "" },
  };
  const record = (more: object) => ({
    of: "togather",
    drills: { [`point in time ${server}`]: { ok, attempt: ok, problem: "" } },
    pointInTime: { [server]: { ...good, ...more } },
  });
  const wrong = (more: object) => says(record(more));

  test("that are well are no problem", () => expect(wrong({})).toEqual([]));

  test("says what is stale, failed, lost and never drilled", () => {
    expect(wrong({ until: "2026-11-26T11:44:00Z" })[0]).toMatch(
      /^WAL of togather_postgres \(togather\) is STALE: what was written in the last .* is on the host alone$/,
    );
    expect(wrong({ until: "2026-11-26T11:44:00Z", everyMinutes: 30 })).toEqual([]);
    expect(wrong({ until: undefined })[0]).toContain("none was sent yet");
    expect(wrong({ problem: "the store cannot be used" })[0]).toContain("the store cannot be used");
    const lost = { from: "2026-11-26T08:00:00Z", until: "2026-11-26T09:00:00Z" };
    expect(wrong({ lost })).toEqual([
      "WAL of togather_postgres (togather) was lost between 2026-11-26T08:00:00Z and 2026-11-26T09:00:00Z: no second of that can be brought back (docs/runbooks/backups.md)",
    ]);
    expect(wrong({ lost: { ...lost, until: "2026-11-25T09:00:00Z" } })).toEqual([]);
    expect(wrong({ base: { ...good.base, ok: "2026-11-17T01:00:00Z" } })[0]).toContain(
      "base backup of togather_postgres (togather) is STALE",
    );
    expect(wrong({ base: { attempt: ok, problem: "no room" } })).toEqual([
      expect.stringContaining("no room"),
      expect.stringContaining("the last good one is none"),
    ]);
    expect(says({ ...record({}), drills: {} })).toEqual([
      "drill of point in time togather_postgres (togather): there was none yet",
    ]);
  });
});
