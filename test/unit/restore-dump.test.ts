import { describe, expect, test } from "vitest";
import { opsProgram } from "../../ops/program.ts";
import {
  type DumpFacts,
  describeDumpRestore,
  dumpProblems,
  expectedRows,
  namesToSkip,
  planDumpRestore,
  renderDumpRestored,
  restoreDump,
} from "../../ops/restore-dump.ts";
import { parseDumpedTables } from "../../ops/schema-parity.ts";
import { clientsOf, type SystemDatabase } from "../../ops/system-database.ts";
import { deployment, resource, service } from "./ops-fixtures.ts";
import { base, leftOut, table, ukLrt, withTable } from "./schema-fixtures.ts";

/** A database filled from a dump: what is refused, and in which words. What runs on a host is tested in test/lab. */

describe("what is restored", () => {
  test("is counted for each table; tables that are left out and partitioned ones have none", () => {
    const dumped = [{ name: "public.uk_lrt", columns: [], rows: 19318 }];
    expect(expectedRows(dumped, base, leftOut)).toEqual([
      { table: "public.uk_lrt", rows: 19318 },
      { table: "public.jobs", rows: 0 },
    ]);
  });

  test("leaves out what stays, with the sequence that numbers it", () => {
    expect(namesToSkip(base, new Set([...leftOut, "public.jobs"]))).toEqual([
      "public schema_migrations",
      "public jobs",
      "public spatial_ref_sys",
      "public jobs_id_seq",
    ]);
  });
});

const facts: DumpFacts = {
  ...{ bytes: 1e6, inserts: false, largeObjects: 0, sha256: "x" },
  rows: "3\tCOPY public.uk_lrt (id, name, fitness) FROM stdin;\n0\tCOPY public.jobs (id) FROM stdin;\n",
  ...{ schema: base, here: base },
};
const problems = (about: Partial<DumpFacts>, out: Iterable<string> = leftOut) => {
  const all = { ...facts, ...about };
  return dumpProblems(all, parseDumpedTables(all.rows), { leftOut: new Set(out), volumeMebibytes: 10 });
};

describe("a dump", () => {
  test("that fits has no problem", () => {
    expect(problems({})).toEqual([]);
    expect(problems({ schema: null })).toEqual([]);
  });

  test("that does not fit is told everything at once, and what to do", () => {
    const said = problems(
      {
        schema: withTable("public.uk_lrt", table({ ...ukLrt }, ["PRIMARY KEY (id)"])),
        ...{ largeObjects: 2, bytes: 1e9 },
      },
      [...leftOut, "public.typo"],
    );
    expect(said).toEqual([
      "public.uk_lrt: the dump lacks the column number_int (integer GENERATED ALWAYS AS ((number)::integer) STORED)",
      "--leave-out public.typo: neither the dump nor the database has such a table",
      "it has 2 large objects, which are not restored; dump it with --no-blobs if they are not needed",
      "its rows take some 3815 MiB, and the data volume has 10 MiB to spare; enlarge it: volumeGigabytes in berth:hosts",
      "make the schemas equal by a migration, deploy it, dump again and restore that",
    ]);
  });

  test("without rows, or with rows that cannot be counted, is refused for that", () => {
    expect(problems({ rows: "" })).toEqual(["it has no rows; dump it without --schema-only"]);
    expect(problems({ inserts: true })).toEqual([
      "its rows are INSERT statements, which cannot be counted; dump it without --inserts",
    ]);
  });
});

const file = {
  ...{ path: "/tmp/dev.dump", bytes: 3 * 1024 ** 2, database: "sertantai_legal_dev" },
  ...{ server: "16.4", program: "16.4", written: "2026-01-28 14:30" },
};
const asked: string[] = [];
/** A host that gives these answers, by script. */
function database(answers: Record<string, unknown>): SystemDatabase {
  const never = () => Promise.reject(new Error("it was asked"));
  return {
    ...{ system: "sertantai", name: "sertantai_legal", server: "sertantai_postgres", parameters: "" },
    clients: ["sertantai_backend", "sertantai_electric"],
    ...{ print: never, interact: never },
    async receive(command, path) {
      asked.push(`${command} > ${path}`);
    },
    async run(script, more) {
      asked.push(script);
      if (script === "restore-dump") asked.push(more.CLIENTS ?? "");
      if (script === "discard-dump") return "";
      if (!(script in answers)) throw new Error(`${script} fails`);
      return JSON.stringify(answers[script]);
    },
  };
}
const answer = {
  ...{ environment: "production", dump: "/var/backups/sertantai/x.dump", version: 16 },
  ...{ diskMebibytes: 1000, volumeMebibytes: 1000, filled: [{ table: "public.schema_migrations", rows: 4 }] },
};

describe("a plan", () => {
  test("says what will happen, to what, and what stops meanwhile", async () => {
    const here = database({ "move-in-plan": answer });
    const plan = await planDumpRestore(here, file, []);
    const said = describeDumpRestore(plan, here);
    expect(said).toContain("go into the database sertantai_legal of production");
    expect(said).toContain(
      "The dump is of sertantai_legal_dev, PostgreSQL 16.4, written 2026-01-28 14:30 by pg_dump 16.4, 3.0 MiB.",
    );
    expect(said).toContain("sertantai_backend, sertantai_electric are stopped meanwhile.");
    expect(said).toContain("These tables stay as they are: public.schema_migrations.");
  });

  test("refuses tables with rows, another major version and a full disk, all at once, before anything is sent", async () => {
    const filled = [...answer.filled, { table: "public.uk_lrt", rows: 7 }, { table: "public.jobs", rows: 2 }];
    const here = database({ "move-in-plan": { ...answer, version: 15, diskMebibytes: 1, filled } });
    const refused = await planDumpRestore(here, file, ["jobs"]).catch((error: Error) => error.message);
    expect(refused).toBe(`/tmp/dev.dump is not restored; nothing was changed:
  ✖ it is of PostgreSQL 16, written by pg_dump 16, and sertantai_postgres is 15, which cannot read it; dump a PostgreSQL 15 or older with pg_dump 15
  ✖ public.uk_lrt has 7 rows here, which the dump's would join; empty it, or leave it out: --leave-out public.uk_lrt
  ✖ it takes 3 MiB, and the host's disk has 1 MiB to spare`);
  });
});

describe("a restore", () => {
  const restored = {
    ...{ safety: "s.tar", replaced: "sertantai_legal_replaced_20260128_143022", seconds: 12.34 },
    rows: [
      { table: "public.uk_lrt", rows: 3 },
      { table: "public.schema_migrations", rows: 4 },
    ],
    ...{ stopped: ["sertantai_backend", "sertantai_electric"], cleared: ["sertantai_electric"] },
  };
  const all = { "move-in-plan": answer, "compare-dump": facts, "restore-dump": restored };
  const run = async (answers: Record<string, unknown>, mayBegin = async () => {}) => {
    const here = database(answers);
    const plan = await planDumpRestore(here, file, []);
    asked.length = 0;
    return restoreDump(here, plan, mayBegin);
  };

  test("sends, compares, restores and removes the dump, and counts what was filled", async () => {
    const result = await run(all);
    expect(asked).toEqual([
      "cat '/tmp/dev.dump' > /var/backups/sertantai/x.dump",
      ...["compare-dump", "restore-dump"],
      "sertantai_backend /mnt/data/sertantai/backend\nsertantai_electric /mnt/data/sertantai/electric",
      "discard-dump",
    ]);
    expect(renderDumpRestored(result, "drop it")).toBe(`table          rows
-------------  ----
public.uk_lrt  3
Restored: 1 tables, 3 rows, each counted in the dump and in the database. Nothing of sertantai_backend, sertantai_electric ran for 12.3 s; sertantai_electric was cleared and begins anew.
The previous database: s.tar, and for 7 days the database sertantai_legal_replaced_20260128_143022. To drop it sooner: drop it`);
  });

  test("of a dump with another schema restores nothing and removes the dump", async () => {
    const other = withTable("public.uk_lrt", table({ ...ukLrt }));
    await expect(run({ ...all, "compare-dump": { ...facts, schema: other } })).rejects.toThrow(
      "✖ public.uk_lrt: the dump lacks the column number_int",
    );
    expect(asked).not.toContain("restore-dump");
    expect(asked.at(-1)).toBe("discard-dump");
  });

  test("does not begin when a deploy has begun while the dump was sent", async () => {
    const locked = () => Promise.reject(new Error("production is locked by somebody"));
    await expect(run(all, locked)).rejects.toThrow("production is locked by somebody");
    expect(asked).not.toContain("restore-dump");
    expect(asked.at(-1)).toBe("discard-dump");
  });

  test("that fails removes the dump and says why", async () => {
    await expect(run({ "move-in-plan": answer, "compare-dump": facts })).rejects.toThrow(
      "restore-dump fails",
    );
    expect(asked.at(-1)).toBe("discard-dump");
  });
});

test("the services that use a database are those whose slots wait for it; those of another database or another server are not", () => {
  const of = (name: string, server: string) =>
    resource("postgresql:index/database:Database", `${server}-${name}-database`, {
      inputs: { name },
      deletedWith: service(server).urn,
    });
  const [legal, auth, other] = [
    of("sertantai_legal", "sertantai_postgres"),
    of("sertantai_auth", "sertantai_postgres"),
    of("sertantai_legal", "other_postgres"),
  ];
  const slot = (name: string, ...on: { urn: string }[]) =>
    service(name, { dependencies: on.map(({ urn }) => urn) });
  const state = deployment([
    ...[legal, auth, other],
    ...[slot("sertantai_backend", legal), { ...slot("sertantai_backend", legal), delete: true }],
    ...[slot("sertantai_electric", legal), slot("sertantai_auth", auth), slot("sertantai_frontend")],
    slot("other_app", other),
  ]);
  expect(clientsOf(state, { server: "sertantai_postgres", name: "sertantai_legal" })).toEqual([
    "sertantai_backend",
    "sertantai_electric",
  ]);
  expect(clientsOf(state, { server: "sertantai_postgres", name: "none" })).toEqual([]);
});

test.each([
  [
    ["snapshot.tar", "--from", "x"],
    "--from x stands alone: leave out the snapshot, --from-backup and --as-it-was",
  ],
  [["--from-backup", "1a", "--from", "x"], "--from x stands alone"],
  [["--as-it-was", "--from", "x"], "--from x stands alone"],
  [["--leave-out", "jobs"], "--leave-out is about --from; a snapshot is restored as a whole"],
  [["--from", "/nowhere/x.dump"], "/nowhere/x.dump cannot be read: ENOENT"],
])("restore %j is refused before the state is read", async (words, says) => {
  const target = () => Promise.reject(new Error("the state was read"));
  const program = opsProgram({ name: "ops", target });
  await expect(program.parseAsync(["restore", "sertantai", ...words], { from: "user" })).rejects.toThrow(
    says,
  );
});
