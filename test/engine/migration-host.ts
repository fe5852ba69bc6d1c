import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach } from "vitest";
import { wholeScript } from "../../components/host/command.ts";
import { shellQuote } from "../../components/host/connection.ts";

/**
 * The scripts of migrations in a real bash. Docker is replaced by a script: databases are folders with a file for each program's
 * version, and a job is a program that changes such a file and is logged.
 */
export const script = (path: string) =>
  readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), "utf8");

export const release = (name: string) => script(`components/release/scripts/${name}.sh`);

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
    name=$2 database= image= written= words=()
    while [ $# -gt 0 ]; do
      case $1 in
        --env) printf '%s\\n' "$2" >>environment; case $2 in PGDATABASE=*) database=\${2#*=} ;; esac; shift ;;
        --mount) written=$(sed -nE 's/type=bind,source=([^,]*),target=.*/\\1/p' <<<"$2"); shift ;;
        --limit-memory | --limit-cpu | --label | --network | --secret | --config) printf '%s\\n' "$1 $2" >>options; shift ;;
        --entrypoint) words=("$2"); image=$3; shift 3; words+=("$@"); break ;;
      esac
      shift
    done
    case "\${words[*]}" in *-database*) database=$(sed -E 's#.*@db:5432/([^? ]*).*#\\1#' <<<"\${words[*]}") ;; esac
    echo "job $name $database: \${words[*]}" >>log
    if DATABASE=$database IMAGE=$image WRITTEN=$written bash ./program "\${words[@]}" >"jobs/$name.said"; then echo Complete >"jobs/$name"; else echo 'Failed|exit 1' >"jobs/$name"; fi
    ;;
  "service ps --quiet"*) echo task ;;
  "inspect --type task"*) echo "10.0.7.9/24 " ;;
  "service ps "*)
    # A job that waits for a lock runs until job_watch has asked twice who holds it.
    if [ -e blocked ] && [ "$(grep --count asked log)" -lt 2 ] && [[ $last = *_migration ]]; then echo Running; else cat "jobs/$last"; fi ;;
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
      *pg_blocking_pids*) echo asked >>log; grep --quiet "client_addr = ANY ('{10.0.7.9}')" <<<"$last" && cat blocked ;;
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
while [ $# -gt 0 ]; do case $1 in migrate | river | seed | setup) break ;; esac; shift; done
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
  "setup once") [ -e "$here/setup" ] || echo "token of $DATABASE" >"$WRITTEN/login.token"; touch "$here/setup" ;;
  "setup nothing") ;;
  "seed all") fails seed && exit 1; echo done >>"$here/seed" ;;
esac
`;

export let folder: string;

export const at = (name: string, text: string) =>
  writeFileSync(join(folder, "databases/app", name), `${text}\n`);

export const version = (name: string, database = "app") => {
  const file = join(folder, "databases", database, name);
  return existsSync(file) ? readFileSync(file, "utf8").trim() : undefined;
};

export const job = (image: string) => ({
  ...{ image, environment: { PGDATABASE: "@DATABASE@" }, secrets: [], configs: [], networks: [], labels: {} },
  memoryMebibytes: 300,
});

export const golangMigrate = {
  ...{ kind: "golang-migrate", name: "schema", folder: "/migrations" },
  commands: { migrate: ["migrate", "-database", "postgresql://app@db:5432/@DATABASE@?x"] },
  job: { ...job("app:2"), environment: {} },
};

export const river = {
  ...{ kind: "command", name: "river", query: "SELECT max(version) FROM river_migration" },
  commands: { up: ["river", "up"], upToDate: ["river", "validate"] },
  job: { ...job("migrators:1"), cpus: 0.5 },
};

const standard = { SKIP: "no", REHEARSE: "yes" };

export function run(body: string, steps: readonly unknown[], more: Record<string, string> = {}) {
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

/** A host with a database and images of migrations before each test of a file. */
export function beforeEachNewHost(): void {
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
          writeFileSync(
            join(folder, "images", image, `00000${version}_x.${way}.sql`),
            `${way} ${version};\n`,
          );
    }
    writeFileSync(join(folder, "backups/before.sql.gz"), gzipSync("-- Berth snapshot\n"));
    writeFileSync(join(folder, "backups/.for-migration-unit_postgres_app"), "before.sql.gz\n");
    at("schema", "3");
  });

  afterEach(() => rmSync(folder, { recursive: true }));
}
