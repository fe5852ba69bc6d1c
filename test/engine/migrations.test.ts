import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { wholeScript } from "../../components/host/command.ts";
import { shellQuote } from "../../components/host/connection.ts";
import { oneDatabase } from "../../ops/system-database.ts";
import { deployment, resource } from "../unit/ops-fixtures.ts";

/**
 * The scripts of migrations in a real bash. Docker alone is stood in for: databases are folders with a file for each program's
 * version, and a job is a program that changes one and is written down.
 */
const script = (path: string) =>
  readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), "utf8");
const release = (name: string) => script(`components/release/scripts/${name}.sh`);
const shared = ["job", "database", "migration-steps", "golang-migrate"].map(release).join("\n");

const docker = `#!/bin/bash
cd "$BERTH_TEST"
arguments="$*"
last=\${*: -1}
case $arguments in
  "ps --quiet --filter label=berth.resource="*) echo postgres ;;
  "image inspect "*) exit 1 ;;
  "pull "*) echo "pull $last" >>log; [ ! -e "no-image-$last" ] ;;
  "create "*) echo "\${2/:/@}" ;;
  "cp "*)
    source=\${2%%:*} file=\${2##*/}
    [ "\${file%.sql}" != "$file" ] || file=.
    tar --create --directory "images/\${source/@/:}" --transform 's#^[.]#migrations#' "$file" ;;
  "service inspect --format"* | "service inspect "*) [ -e "jobs/$last" ] ;;
  "service create "*)
    while [ "$1" != --name ]; do shift; done
    name=$2 database= image= words=()
    while [ $# -gt 0 ]; do
      case $1 in
        --env) case $2 in PGDATABASE=*) database=\${2#*=} ;; esac; shift ;;
        --limit-memory | --limit-cpu | --label | --network | --secret | --config) printf '%s\\n' "$1 $2" >>options; shift ;;
        --entrypoint) words=("$2"); image=$3; shift 3; words+=("$@"); break ;;
      esac
      shift
    done
    case "\${words[*]}" in *-database*) database=$(sed -E 's#.*@db:5432/([^? ]*).*#\\1#' <<<"\${words[*]}") ;; esac
    echo "job $name $database: \${words[*]}" >>log
    if DATABASE=$database IMAGE=$image bash ./program "\${words[@]}" >"jobs/$name.said"; then echo Complete >"jobs/$name"; else echo 'Failed|exit 1' >"jobs/$name"; fi
    ;;
  "service ps "*) cat "jobs/$last" ;;
  "service logs "*) cat "jobs/$last.said" ;;
  "service rm "*) rm -f "jobs/$last" "jobs/$last.said" ;;
  exec*"df -Pk"*) printf 'x\\nfs 100 1 999999999 1%% /\\n' ;;
  exec*"DROP DATABASE"*) rm -rf "databases/$(sed -E 's/.*IF EXISTS "([^"]*)".*/\\1/' <<<"$arguments")" ;;
  exec*"--set database="*) cat >/dev/null; [ ! -e no-restore ] && cp -r databases/app "databases/$(sed -E 's/.*--set database=(.*)$/\\1/' <<<"$arguments")" ;;
  exec*"--command"*)
    database=$(sed -E 's/.*--dbname ([^ ]*).*/\\1/' <<<"$arguments")
    case $last in
      *to_regclass*) if [ -e "databases/$database/schema" ]; then echo 2; else echo 0; fi ;;
      *"SELECT version ||"*) cat "databases/$database/schema" ;;
      *_replaced_*) echo "app_replaced_20260128_143022|2026-01-28T14:30:22Z|2097152" ;;
      *pg_database_size*) echo 1024 ;;
      *river_migration*) cat "databases/$database/river" 2>/dev/null || { echo 'relation "river_migration" does not exist' >&2; exit 1; } ;;
      *TRUNCATE* | *UPDATE*) echo "written by hand: $last" >>log ;;
    esac
    ;;
esac
`;

/** golang-migrate, and a `river` that has its own table; `fail` lists what fails, as `<program> <database>`. */
const program = `set -e
here=databases/$DATABASE
fails() { grep --quiet --line-regexp --fixed-strings "$1 $DATABASE" fail 2>/dev/null; }
while [ $# -gt 0 ]; do case $1 in migrate | river | seed) break ;; esac; shift; done
case "$1 \${*: -1}" in
  "migrate up")
    new=$(ls "images/$IMAGE" | sed -nE 's/^0*([0-9]+)_.*\\.up\\.sql/\\1/p' | sort -n | tail -n 1)
    if fails migrate; then echo "$new dirty" >"$here/schema"; echo "pq: no such column"; exit 1; fi
    echo "$new" >"$here/schema" ;;
  "migrate"*)
    case " $* " in
      *" force -- -1 "*) rm "$here/schema" ;;
      *" force -- "*) echo "\${*: -1}" >"$here/schema" ;;
      *" goto "*) echo "\${*: -1}" >"$here/schema" ;;
    esac ;;
  "river up") fails river && { echo "river: no rights"; exit 1; }; echo 6 >"$here/river" ;;
  "river validate") [ "$(cat "$here/river" 2>/dev/null)" = 6 ] ;;
  "river version") echo "this is river"; cat "$here/river" ;;
  "seed all") fails seed && exit 1; echo done >>"$here/seed" ;;
esac
`;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "berth-migrations-"));
  for (const name of ["bin", "jobs", "images/app:2", "images/app:1", "databases/app", "backups"])
    mkdirSync(join(folder, name), { recursive: true });
  for (const [name, text] of [
    ["docker", docker],
    ["sudo", '#!/bin/sh\nexec "$@"\n'],
  ] as const) {
    writeFileSync(join(folder, "bin", name), text);
    chmodSync(join(folder, "bin", name), 0o755);
  }
  writeFileSync(join(folder, "program"), program);
  for (const [image, count] of [
    ["app:1", 3],
    ["app:2", 5],
  ] as const) {
    for (let version = 1; version <= count; version++)
      for (const way of ["up", "down"])
        writeFileSync(join(folder, "images", image, `00000${version}_x.${way}.sql`), `${way} ${version};\n`);
  }
  writeFileSync(join(folder, "backups/before.sql.gz"), gzipSync("-- Berth snapshot\n"));
  writeFileSync(join(folder, "backups/.for-migration-unit_postgres_app"), "before.sql.gz\n");
  at("schema", "3");
});
afterEach(() => rmSync(folder, { recursive: true }));

const at = (name: string, text: string) => writeFileSync(join(folder, "databases/app", name), `${text}\n`);
const version = (name: string, database = "app") => {
  const file = join(folder, "databases", database, name);
  return existsSync(file) ? readFileSync(file, "utf8").trim() : undefined;
};
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

const job = (image: string) => ({
  ...{ image, environment: { PGDATABASE: "@DATABASE@" }, secrets: [], configs: [], networks: [], labels: {} },
  memoryMebibytes: 300,
});
const golangMigrate = {
  ...{ kind: "golang-migrate", name: "schema", folder: "/migrations" },
  commands: { migrate: ["migrate", "-database", "postgresql://app@db:5432/@DATABASE@?x"] },
  job: { ...job("app:2"), environment: {} },
};
const river = {
  ...{ kind: "command", name: "river", query: "SELECT max(version) FROM river_migration" },
  commands: { up: ["river", "up"], upToDate: ["river", "validate"] },
  job: { ...job("migrators:1"), cpus: 0.5 },
};
const seed = { kind: "command", name: "seed", commands: { up: ["seed", "all"] }, job: job("app:2") };

const standard = { SKIP: "no", REHEARSE: "yes" };

function run(body: string, steps: readonly unknown[], more: Record<string, string> = {}) {
  const parameters = {
    ...{
      STACK: "production",
      SYSTEM: "unit",
      ENVIRONMENT_NAME: "production",
      DATABASE: "app",
      KEEP: "7",
      FLOOR_MEBIBYTES: "1",
    },
    ...{ POSTGRES_SERVICE: "unit_postgres", DIRECTORY: join(folder, "backups"), SERVICE: "unit_app" },
    ...{ VERSION: "v2", WAIT_SECONDS: "5", STEPS: JSON.stringify(steps), ...standard, ...more },
  };
  const assignments = Object.entries(parameters).map(([name, value]) => `${name}=${shellQuote(value)}`);
  // The host's own folder of what brought the schema is not this test's.
  const text = `${shared}\nschema_image_file=${shellQuote(join(folder, "schema-image"))}\n${body}`;
  const env = { ...process.env, PATH: `${join(folder, "bin")}:${process.env.PATH}`, BERTH_TEST: folder };
  const input = `${assignments.join("\n")}\n${wholeScript(text)}`;
  const { status, stdout, stderr } = spawnSync("bash", ["-s"], { input, encoding: "utf8", env });
  return { status, stdout, stderr };
}
const migrate = (steps: readonly unknown[], more?: Record<string, string>) =>
  run(release("migrate"), steps, more);

describe("a release's migrations", () => {
  test("every kind in order, all of them on one copy first", () => {
    expect(migrate([golangMigrate, river, seed])).toMatchObject({ status: 0, stderr: "" });
    expect(jobs()).toEqual([
      "check app: river validate",
      ...["migrate up", "river up", "seed all"].map((each) => `rehearsal app_rehearsal: ${each}`),
      ...["migrate up", "river up", "seed all"].map((each) => `migration app: ${each}`),
    ]);
    expect([version("schema"), version("river"), version("seed")]).toEqual(["5", "6", "done"]);
    expect(existsSync(join(folder, "databases/app_rehearsal"))).toBe(false);
    // What can take the schema back.
    expect(readFileSync(join(folder, "schema-image"), "utf8")).toBe("app:2\n");
    const options = readFileSync(join(folder, "options"), "utf8");
    expect(options).toContain("--limit-memory 300M\n");
    expect(options).toContain("--limit-cpu 0.5\n");
  });

  test("nothing to apply for the first does not skip the second", () => {
    at("schema", "5");
    expect(migrate([golangMigrate, river]).status).toBe(0);
    expect(jobs()).toEqual([
      "check app: river validate",
      "rehearsal app_rehearsal: river up",
      "migration app: river up",
    ]);
    expect(version("river")).toBe("6");
  });

  test("nothing to apply anywhere: no copy, no job but the question", () => {
    at("schema", "5");
    at("river", "6");
    expect(migrate([golangMigrate, river]).status).toBe(0);
    expect(jobs()).toEqual(["check app: river validate"]);
  });

  test("what cannot say that it is up to date runs each time", () => {
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

  test("a rehearsal that fails in the second step leaves everything as it was, and names the step", () => {
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

  test("a second step that fails on the database alone names what went before, and the ways back", () => {
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

  test("golang-migrate's flag is set back by golang-migrate, to the version before or to none", () => {
    failing("migrate app");
    const { stderr } = migrate([golangMigrate]);
    expect(stderr).toContain(
      "Failed: 000005_x.up.sql. It was rolled back and the dirty flag set back: the schema is at version 4.",
    );
    expect(jobs().at(-1)).toBe("migration app: migrate 4");
    expect(version("schema")).toBe("4");
    expect(log().filter((line) => line.startsWith("written by hand"))).toEqual([]);
  });

  test("the first migration of all: the record is empty afterwards", () => {
    rmSync(join(folder, "databases/app/schema"));
    rmSync(join(folder, "images/app:2"), { recursive: true });
    mkdirSync(join(folder, "images/app:2"));
    writeFileSync(join(folder, "images/app:2/000001_x.up.sql"), "up;\n");
    failing("migrate app");
    expect(migrate([golangMigrate]).stderr).toContain("the schema is at version 0");
    expect(version("schema")).toBeUndefined();
  });

  test.each(["COMMIT;", "CREATE INDEX CONCURRENTLY x ON y (z);"])("a file with %s keeps its flag", (text) => {
    writeFileSync(join(folder, "images/app:2/000005_x.up.sql"), text);
    failing("migrate app");
    expect(migrate([golangMigrate]).stderr).toContain("the schema stays marked dirty at version 5");
    expect(version("schema")).toBe("5 dirty");
  });

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

  test("a dirty schema, a newer one and an image that is not there change nothing", () => {
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

  test("skipped migrations touch nothing", () => {
    expect(migrate([golangMigrate], { SKIP: "yes" }).status).toBe(0);
    expect(log()).toEqual([]);
  });
});

describe("an operator's commands", () => {
  const operate = (name: string, steps: readonly unknown[], more: Record<string, string>) =>
    run(script(`ops/scripts/${name}.sh`), steps, more);

  test("the flag is set back to what the operator says, where it is set and the image knows that", () => {
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

  test("only golang-migrate's are reversed, by the image that applied them", () => {
    writeFileSync(join(folder, "schema-image"), "app:1\n");
    const { stdout } = operate("reverse-plan", [river, golangMigrate], { TO: "1" });
    expect(JSON.parse(stdout)).toMatchObject({
      image: "app:1",
      scripts: [{ file: "000003_x.down.sql" }, { file: "000002_x.down.sql" }],
    });
    expect(operate("reverse-plan", [river], { TO: "1" }).stderr).toContain("restore a snapshot");
  });

  test("a state that was written before migrations were steps has one", () => {
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
