import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { wholeScript } from "../../components/host/command.ts";
import { shellQuote } from "../../components/host/connection.ts";
import { oneDatabase } from "../../ops/system-database.ts";
import { deployment, resource } from "../unit/ops-fixtures.ts";
import {
  at,
  beforeEachNewHost,
  folder,
  golangMigrate,
  river,
  run,
  script,
  version,
} from "./migration-host.ts";

beforeEachNewHost();

describe("an operator's commands", () => {
  const operate = (name: string, steps: readonly unknown[], more: Record<string, string>) =>
    run(script(`ops/scripts/${name}.sh`), steps, more);

  test("the dirty flag is cleared at the operator's version, if it is set and the image has that version", () => {
    expect(operate("clear-dirty-flag", [golangMigrate], { AT: "2" }).stderr).toContain("not marked dirty");
    at("schema", "3 dirty");
    expect(operate("clear-dirty-flag", [golangMigrate], { AT: "9" }).stderr).toContain(
      "app:2 has no schema version 9; it has: 0 1 2 3 4 5",
    );
    const { status, stdout } = operate("clear-dirty-flag", [river, golangMigrate], { AT: "2" });
    expect([status, JSON.parse(stdout)]).toEqual([0, { from: "3", schema: "2" }]);
    expect(version("schema")).toBe("2");
    expect(operate("clear-dirty-flag", [river], { AT: "2" }).stderr).toContain(
      "no migrations of kind golang-migrate",
    );
  });

  test("only golang-migrate's migrations are reversed, by the image that applied them", () => {
    writeFileSync(join(folder, "schema-image"), "app:1\n");
    const { stdout } = operate("reverse-plan", [river, golangMigrate], { TO: "1" });
    expect(JSON.parse(stdout)).toMatchObject({
      image: "app:1",
      scripts: [{ file: "000003_x.down.sql" }, { file: "000002_x.down.sql" }],
    });
    expect(operate("reverse-plan", [river], { TO: "1" }).stderr).toContain("restore a snapshot");
  });

  test("a state from before migrations had steps has one step", () => {
    const old = {
      ...{ STACK: "production", FOLDER: "/app/migrations", SERVICE: "togather_app", IMAGE: "app@sha256:1" },
      ...{ COMMAND: "/bin/sh\n/berth/with-secrets\nmigrate\n-database\npostgresql://u@h/@DATABASE@?a=b" },
      ...{ ENVIRONMENT: "", SECRETS: "source=a-1,target=PGPASSWORD\nsource=b-2,target=AUTHORITY" },
      ...{ CONFIGS: "source=shim-3,target=/berth/with-secrets", NETWORKS: "togather" },
      LABELS: "berth.stack=production\nberth.resource=togather_app-migration",
    };
    const stdin = `${Object.entries(old)
      .map(([name, value]) => `${name}=${shellQuote(value)}\n`)
      .join("")}${wholeScript("# shellcheck shell=bash\n:")}`;
    const state = deployment([
      resource("command:local:Command", "togather_app-migration", { id: "x", inputs: { stdin } }),
    ]);
    const text = `${oneDatabase(state, "togather", undefined).parameters}${script("ops/scripts/steps-of-before.sh")}\nprintf '%s' "$STEPS"`;
    const { stdout, stderr } = spawnSync("bash", ["--norc", "-euc", text], { encoding: "utf8" });
    expect(stderr).toBe("");
    expect(JSON.parse(stdout)).toEqual([
      {
        ...{ kind: "golang-migrate", name: "schema", folder: "/app/migrations" },
        commands: {
          migrate: [
            "/bin/sh",
            "/berth/with-secrets",
            "migrate",
            "-database",
            "postgresql://u@h/@DATABASE@?a=b",
          ],
        },
        job: {
          ...{ image: "app@sha256:1", environment: {}, networks: ["togather"], memoryMebibytes: 512 },
          secrets: [
            { source: "a-1", target: "PGPASSWORD" },
            { source: "b-2", target: "AUTHORITY" },
          ],
          configs: [{ source: "shim-3", target: "/berth/with-secrets" }],
          labels: { "berth.stack": "production", "berth.resource": "togather_app-migration" },
        },
      },
    ]);
  });
});
