import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  at,
  beforeEachNewHost,
  folder,
  golangMigrate,
  job,
  release,
  river,
  run,
  version,
} from "./migration-host.ts";

beforeEachNewHost();

const failing = (...what: string[]) => writeFileSync(join(folder, "fail"), `${what.join("\n")}\n`);

const log = () =>
  existsSync(join(folder, "log")) ? readFileSync(join(folder, "log"), "utf8").trim().split("\n") : [];

/** The jobs in order: which, on which database, which program with which last word. */
const jobs = () =>
  log()
    .filter((line) => line.startsWith("job "))
    .map((line) =>
      line.replace(/^job unit_app_/, "").replace(/: .*(migrate|river|seed)\b.*?(\S+)$/, ": $1 $2"),
    );

const seed = { kind: "command", name: "seed", commands: { up: ["seed", "all"] }, job: job("app:2") };

const migrate = (steps: readonly unknown[], more?: Record<string, string>) =>
  run(release("migrate"), steps, more);

describe("a release's migrations", () => {
  test("all kinds run in order, first on one copy", () => {
    expect(migrate([golangMigrate, river, seed])).toMatchObject({ status: 0, stderr: "" });
    expect(jobs()).toEqual([
      "check app: river validate",
      ...["migrate up", "river up", "seed all"].map((each) => `rehearsal app_rehearsal: ${each}`),
      ...["migrate up", "river up", "seed all"].map((each) => `migration app: ${each}`),
    ]);
    expect([version("schema"), version("river"), version("seed")]).toEqual(["5", "6", "done"]);
    expect(existsSync(join(folder, "databases/app_rehearsal"))).toBe(false);
    // The image that can reverse the schema.
    expect(readFileSync(join(folder, "schema-image"), "utf8")).toBe("app:2\n");
    const options = readFileSync(join(folder, "options"), "utf8");
    expect(options).toContain("--limit-memory 300M\n");
    expect(options).toContain("--limit-cpu 0.5\n");
  });

  test("a first step without pending migrations does not skip the second", () => {
    at("schema", "5");
    expect(migrate([golangMigrate, river]).status).toBe(0);
    expect(jobs()).toEqual([
      "check app: river validate",
      "rehearsal app_rehearsal: river up",
      "migration app: river up",
    ]);
    expect(version("river")).toBe("6");
  });

  test("without pending migrations there is no copy, and only the check runs as a job", () => {
    at("schema", "5");
    at("river", "6");
    expect(migrate([golangMigrate, river]).status).toBe(0);
    expect(jobs()).toEqual(["check app: river validate"]);
  });

  test("a step without a check runs each time", () => {
    for (const count of [1, 2]) {
      writeFileSync(join(folder, "backups/.for-migration-unit_postgres_app"), "before.sql.gz\n");
      expect(migrate([seed]).status).toBe(0);
      expect(version("seed")?.split("\n")).toHaveLength(count);
    }
  });

  test("a version that a command prints is read from its last line", () => {
    const { query, ...rest } = river;
    const step = { ...rest, commands: { ...river.commands, version: ["river", "version"] } };
    failing("river app");
    const { status, stderr } = migrate([step]);
    expect(status).toBe(1);
    expect(stderr).toContain("Failed: river.");
    failing("nothing");
    writeFileSync(join(folder, "backups/.for-migration-unit_postgres_app"), "before.sql.gz\n");
    expect(migrate([step])).toMatchObject({ status: 0, stderr: "" });
  });

  test("a rehearsal that fails in the second step changes nothing, and names the step", () => {
    failing("river app_rehearsal");
    const { status, stderr } = migrate([golangMigrate, river]);
    expect(status).toBe(1);
    expect(stderr).toContain(
      "were rehearsed on a copy of the database and failed there (river). Everything stops with the database as it was, at schema version 3; the old version serves.",
    );
    expect(stderr).toContain("river: no rights");
    expect([version("schema"), version("river")]).toEqual(["3", undefined]);
    expect(existsSync(join(folder, "databases/app_rehearsal"))).toBe(false);
  });

  test("a second step that fails only on the database reports the steps before it, and how to go back", () => {
    failing("river app");
    const { status, stderr } = migrate([golangMigrate, river, seed]);
    expect(status).toBe(1);
    expect(stderr).toContain("failed on the database, although their rehearsal on a copy went well");
    expect(stderr).toContain("Failed: river. What it applied until it failed may be there.");
    expect(stderr).toContain("Applied before it: schema to version 5");
    expect(stderr).toContain("npm run ops -- reverse-migration unit --to 3 --stack production");
    expect(stderr).toContain("npm run ops -- restore unit before.sql.gz --stack production");
    expect([version("schema"), version("seed")]).toEqual(["5", undefined]);
  });

  test("one that waits for a lock says who holds it, and how long it waits", () => {
    writeFileSync(join(folder, "blocked"), "  process 12 (somebody, role postgres, from 10.0.7.3): idle\n");
    failing("seed app");
    const { status, stderr } = migrate([seed], { LOCK_TIMEOUT_SECONDS: "3" });
    expect(status).toBe(1);
    expect(
      stderr,
    ).toContain(`It waited for a lock, at most 3 s, since whoever comes after it waits too. In its way:
  process 12 (somebody, role postgres, from 10.0.7.3): idle
Wait until that has ended and deploy again. Or end it: npm run ops -- psql unit --superuser --stack production -- -c 'SELECT pg_terminate_backend(<process>)'
Or wait longer: npx pulumi config set --path unit:migrations.lockTimeoutSeconds <seconds> --stack production`);
    const options = readFileSync(join(folder, "environment"), "utf8");
    expect(options).toContain("PGOPTIONS=-c lock_timeout=3s\n");
  });

  test("golang-migrate's dirty flag is cleared by golang-migrate, at the previous version or none", () => {
    failing("migrate app");
    const { stderr } = migrate([golangMigrate]);
    expect(stderr).toContain(
      "Failed: 000005_x.up.sql. It was rolled back and the dirty flag set back: the schema is at version 4.",
    );
    expect(jobs().at(-1)).toBe("migration app: migrate 4");
    expect(version("schema")).toBe("4");
    expect(log().filter((line) => line.startsWith("written by hand"))).toEqual([]);
  });

  test("after a failed first migration the record is empty", () => {
    rmSync(join(folder, "databases/app/schema"));
    rmSync(join(folder, "images/app:2"), { recursive: true });
    mkdirSync(join(folder, "images/app:2"));
    writeFileSync(join(folder, "images/app:2/000001_x.up.sql"), "up;\n");
    failing("migrate app");
    expect(migrate([golangMigrate]).stderr).toContain("the schema is at version 0");
    expect(version("schema")).toBeUndefined();
  });

  test.each(["COMMIT;", "CREATE INDEX CONCURRENTLY x ON y (z);"])(
    "after a file with %s the dirty flag stays",
    (text) => {
      writeFileSync(join(folder, "images/app:2/000005_x.up.sql"), text);
      failing("migrate app");
      expect(migrate([golangMigrate]).stderr).toContain("the schema stays marked dirty at version 5");
      expect(version("schema")).toBe("5 dirty");
    },
  );

  test("without a rehearsal: no copy, and a failure says that there was none", () => {
    writeFileSync(join(folder, "no-restore"), "");
    expect(migrate([golangMigrate, river], { REHEARSE: "no" }).status).toBe(0);
    expect(jobs()).toEqual([
      "check app: river validate",
      "migration app: migrate up",
      "migration app: river up",
    ]);
    at("schema", "3");
    failing("migrate app");
    expect(migrate([golangMigrate], { REHEARSE: "no" }).stderr).toContain(
      "failed on the database, and their rehearsal was skipped",
    );
  });

  test("a copy that cannot be made names the setting", () => {
    const text = readFileSync(join(folder, "bin/docker"), "utf8").replace("999999999", "1");
    writeFileSync(join(folder, "bin/docker"), text);
    const full = migrate([golangMigrate]);
    expect(full.stderr).toContain("the data volume has 0 MiB left");
    expect(full.stderr).toContain("app_replaced_20260128_143022, 2 MiB, put aside by a restore");
    expect(full.stderr).toContain("npm run ops -- drop-replaced unit --stack production");
    expect(full.stderr).toContain(
      "npx pulumi config set --path unit:migrations.skipRehearsalFor v2 --stack production",
    );
    expect(version("schema")).toBe("3");
  });

  test("with a dirty schema, a newer one or a missing image nothing is changed", () => {
    at("schema", "4 dirty");
    expect(migrate([golangMigrate, river]).stderr).toContain(
      "npm run ops -- clear-dirty-flag unit --at <version> --stack production",
    );
    at("schema", "9");
    expect(migrate([golangMigrate, river]).stderr).toContain("at version 9, and v2 ships version 5");
    at("schema", "3");
    writeFileSync(join(folder, "no-image-migrators:1"), "");
    expect(migrate([golangMigrate, river]).stderr).toContain("cannot pull migrators:1");
    expect(jobs()).toEqual([]);
  });

  test("skipped migrations change nothing", () => {
    expect(migrate([golangMigrate], { SKIP: "yes" }).status).toBe(0);
    expect(log()).toEqual([]);
  });
});
