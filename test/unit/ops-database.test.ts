import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { wholeScript } from "../../components/host/command.ts";
import { shellQuote } from "../../components/host/connection.ts";
import { databaseParameters, describeRestore, planRestore, renderSnapshots } from "../../ops/database.ts";
import { parseDeployment } from "../../ops/deployment.ts";
import { deployment, resource } from "./ops-fixtures.ts";

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

  test("are those of the last migration, as a shell reads them", () => {
    const script = `${databaseParameters(state, "togather")}printf '%s|' "$SYSTEM" "$COMMAND" "$LABELS" "$SERVICE"`;
    const read = execFileSync("bash", ["-euc", script], { encoding: "utf8" });
    expect(read.split("|").slice(0, -1)).toEqual(Object.values(awkward));
  });

  test("a system without migrations has those of its snapshot", () => {
    const script = `${databaseParameters(deployment([command("mfa_app-snapshot", { SYSTEM: "mfa" })]), "mfa")}echo "$SYSTEM [$FOLDER]"`;
    expect(execFileSync("bash", ["-euc", script], { encoding: "utf8" })).toBe("mfa []\n");
  });

  test("a system that is not there is an error that names those that are", () => {
    expect(() => databaseParameters(state, "mfa")).toThrow(
      'no system "mfa" with a database is deployed; there are: togather',
    );
  });
});

describe("what a restore says before it asks", () => {
  const plan = {
    ...{
      snapshot: "togather_production_20260128_143022.sql.gz",
      environment: "production",
      database: "togather",
    },
    ...{ time: "2026-01-28T14:30:22Z", schema: "3", current: "4", deployed: "4" },
  };

  test("an older schema is brought along, or left and named", () => {
    expect(describeRestore(plan, false)).toContain("migrations bring it to 4 before the exchange");
    expect(describeRestore(plan, true)).toContain("will not be healthy until an older one is deployed");
  });

  test("the same schema is not worth a word, a newer one is", () => {
    expect(describeRestore({ ...plan, schema: "4" }, false)).not.toContain("schema");
    expect(describeRestore({ ...plan, schema: "5" }, false)).toContain("newer than the 4");
  });

  test.each(["../etc/passwd", "a b", "x;reboot", ""])("%j is no name of a snapshot", async (name) => {
    const database = {
      system: "togather",
      parameters: "",
      run: () => Promise.reject(new Error("it was asked")),
    };
    await expect(planRestore(database, name)).rejects.toThrow("is not the name of a snapshot");
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
