import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { wholeScript } from "../../components/host/command.ts";
import { shellQuote } from "../../components/host/connection.ts";
import { describeRestore, exportDatabase, planRestore, renderSnapshots } from "../../ops/database.ts";
import { parseDeployment } from "../../ops/deployment.ts";
import { databases, oneDatabase } from "../../ops/system-database.ts";
import { deployment, resource } from "../unit/ops-fixtures.ts";

const assignments = (values: Record<string, string>) =>
  Object.entries(values)
    .map(([name, value]) => `${name}=${shellQuote(value)}\n`)
    .join("");
const command = (name: string, values: Record<string, string>) =>
  resource("command:local:Command", name, {
    id: name,
    inputs: { stdin: `${assignments(values)}${wholeScript("echo nothing")}` },
  });

describe("the parameters of a system's database", () => {
  const awkward = {
    SYSTEM: "togather",
    COMMAND: "sh\n# a comment\nmigrate",
    LABELS: "a=b c\nd='e'",
    SERVICE: "togather_app",
  };
  const state = deployment([
    command("togather_app-snapshot", { SYSTEM: "togather" }),
    command("togather_app-migration", awkward),
    command("togather_app-probe", { SLOT: "x" }),
    command("main-ready", {}),
  ]);

  test("are those of the last migration, as shell assignments", () => {
    const script = `${oneDatabase(state, "togather", undefined).parameters}printf '%s|' "$SYSTEM" "$COMMAND" "$LABELS" "$SERVICE"`;
    const read = execFileSync("bash", ["-euc", script], { encoding: "utf8" });
    expect(read.split("|").slice(0, -1)).toEqual(Object.values(awkward));
  });

  test("a system without migrations has those of its snapshot", () => {
    const mfa = deployment([command("mfa_app-snapshot", { SYSTEM: "mfa" })]);
    const script = `${oneDatabase(mfa, "mfa", undefined).parameters}echo "$SYSTEM [$FOLDER]"`;
    expect(execFileSync("bash", ["-euc", script], { encoding: "utf8" })).toBe("mfa []\n");
  });

  test("an unknown system is an error that lists the existing ones", () => {
    expect(() => oneDatabase(state, "mfa", undefined)).toThrow(
      'no system "mfa" with a database is deployed; deployed are: togather',
    );
  });

  test("a system with several databases on several servers has them by name", () => {
    const release = (name: string, server: string, database: string) =>
      command(name, {
        ENVIRONMENT: "DATABASE=no\nPOSTGRES_SERVICE=no",
        POSTGRES_SERVICE: server,
        DATABASE: database,
      });
    const several = deployment([
      release("gadgetbot_app-snapshot", "gadgetbot_postgres", "gadgetbot"),
      release("gadgetbot_app-migration", "gadgetbot_postgres", "gadgetbot"),
      release("gadgetbot_zitadel-snapshot", "gadgetbot_zitadel-postgres", "zitadel"),
    ]);
    expect(databases(several).map(({ server, name }) => `${server}/${name}`)).toEqual([
      "gadgetbot_postgres/gadgetbot",
      "gadgetbot_zitadel-postgres/zitadel",
    ]);
    expect(oneDatabase(several, "gadgetbot", "zitadel").server).toBe("gadgetbot_zitadel-postgres");
    expect(oneDatabase(several, "gadgetbot", "gadgetbot_postgres/gadgetbot").name).toBe("gadgetbot");
    const options = "--database gadgetbot_postgres/gadgetbot, --database gadgetbot_zitadel-postgres/zitadel";
    expect(() => oneDatabase(several, "gadgetbot", undefined)).toThrow(
      `gadgetbot has several databases; say which: ${options}`,
    );
    expect(() => oneDatabase(several, "gadgetbot", "other")).toThrow(
      `gadgetbot has no database "other"; use one of: ${options}`,
    );
  });
});

test("snapshots, and the file that a release leaves for its migration, have separate names for each database and server", () => {
  const folder = mkdtempSync(join(tmpdir(), "berth-databases-"));
  const snapshots = ["house", "house_postgres_events", "house_search_events"].map(
    (id) => `${id}_production_20260128_143022.tar`,
  );
  for (const name of snapshots) writeFileSync(join(folder, name), "");
  const script = readFileSync(
    new URL("../../components/release/scripts/database.sh", import.meta.url),
    "utf8",
  );
  const of = (server: string, database: string) => {
    const values = {
      ...{ SYSTEM: "house", ENVIRONMENT_NAME: "production", DIRECTORY: folder },
      ...{ POSTGRES_SERVICE: server, DATABASE: database },
    };
    const said = 'echo "$database_id $(basename "$for_migration") $(snapshots)"';
    return execFileSync("bash", ["-euc", `${assignments(values)}${script}\n${said}`], { encoding: "utf8" });
  };
  try {
    expect(of("house_postgres", "house")).toBe(`house .for-migration ${snapshots[0]}\n`);
    for (const [server, at] of [
      ["house_postgres", 1],
      ["house_search", 2],
    ] as const) {
      const id = `${server}_events`;
      expect(of(server, "events")).toBe(`${id} .for-migration-${id} ${snapshots[at]}\n`);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

describe("the description of a restore before the confirmation", () => {
  const plan = {
    ...{
      snapshot: "togather_production_20260128_143022.sql.gz",
      environment: "production",
      database: "togather",
    },
    ...{ time: "2026-01-28T14:30:22Z", schema: "3", current: "4", deployed: "4" },
  };

  test("an older schema is migrated, or kept and reported", () => {
    expect(describeRestore(plan, false)).toContain("migrations bring it to 4 before the exchange");
    expect(describeRestore(plan, true)).toContain("will not be healthy until an older one is deployed");
  });

  test("an equal schema is not mentioned, a newer one is", () => {
    expect(describeRestore({ ...plan, schema: "4" }, false)).not.toContain("schema");
    expect(describeRestore({ ...plan, schema: "5" }, false)).toContain("newer than the 4");
  });

  test.each(["../etc/passwd", "a b", "x;reboot", ""])("%j is not the name of a snapshot", async (name) => {
    const asked = () => Promise.reject(new Error("it was asked"));
    const entry = { system: "togather", name: "togather", server: "togather_postgres", parameters: "" };
    const database = { ...entry, clients: [], run: asked, print: asked, interact: asked, receive: asked };
    await expect(planRestore(database, name)).rejects.toThrow("is not the name of a snapshot");
    await expect(exportDatabase(database, name, undefined)).rejects.toThrow("is not the name of a snapshot");
  });
});

test("a list of snapshots shows which cannot be used, and why", () => {
  const entry = { name: "a.sql.gz", bytes: 1536, time: new Date().toISOString(), schema: "3", problem: "" };
  const table = renderSnapshots([entry, { ...entry, name: "b.sql.gz", problem: "it is truncated" }]);
  expect(table).toMatch(/a\.sql\.gz +\d+ s +1\.5 KiB +3 +whole/);
  expect(table).toContain("NOT USABLE: it is truncated");
});

describe("an exported deployment", () => {
  test("of version 4 is read when hooks are all that it adds", () => {
    const text = (features: string[]) =>
      JSON.stringify({ version: 4, features, deployment: { resources: [] } });
    expect(parseDeployment(text(["hooks"])).version).toBe(4);
    expect(() => parseDeployment(text(["hooks", "views"]))).toThrow(
      'this is no exported deployment of version 3, or of version 4 with hooks (version: 4, features: ["hooks","views"])',
    );
    expect(() => parseDeployment(JSON.stringify({ version: 5, deployment: {} }))).toThrow("(version: 5,");
  });
});
