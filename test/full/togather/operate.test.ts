import { afterAll, describe, expect, test } from "vitest";
import { deployCommittedVersion, opsOk, sql } from "../database.ts";
import { leftovers } from "../leftovers.ts";
import { scenarios } from "../search.ts";
import { labOk, onMachine, ops, togather } from "../support.ts";
import { expectNoFailure, underLoad } from "../under-load.ts";

/** What an operator does inside of a running system, and a restart by the release's own graph. */

scenarios();
afterAll(deployCommittedVersion);

/** The app has its secrets; they are not printed. */
const asks = 'test -n "$JWT_SECRET" && test -n "$DATABASE_URL" && echo out && echo err >&2; exit 7';

describe("inside of a running system", () => {
  test("psql is the database's owner, or the superuser, and its exit code is the command's", async () => {
    await labOk("up", "--set", "togather:app.version=v1.0.0");
    const who = ["--", "--no-align", "--tuples-only", "--command", "SELECT current_user"];
    expect((await opsOk("psql", "togather", ...who)).stdout).toBe("togather\n");
    expect((await opsOk("psql", "togather", "--superuser", ...who)).stdout).toBe("postgres\n");
    expect((await opsOk("psql", "togather", "--database", "togather", ...who)).stdout).toBe("togather\n");
    const broken = await ops("psql", "togather", "--", "--command", "SELECT broken");
    expect(broken.exitCode).toBe(1);
    expect(broken.output).toContain('column "broken" does not exist');
    expect((await ops("psql", "togather", "--database", "other")).output).toContain(
      'togather has no database "other"; use one of: --database togather_postgres/togather',
    );
  });

  test("exec runs in the container that takes requests, with its secrets", async () => {
    const { exitCode, output, stdout } = await ops("exec", "togather", "app", "--", "sh", "-c", asks);
    expect(exitCode, output).toBe(7);
    expect(stdout).toBe("out\n");
    const name = await opsOk("exec", "togather", "app", "--", "hostname");
    const { slot } = await togather();
    const serving = await onMachine(
      `docker ps --quiet --filter label=com.docker.swarm.service.name=${slot} | xargs docker inspect --format '{{.Config.Hostname}}'`,
    );
    expect(serving.split("\n")).toContain(name.stdout.trim());
    const none = await ops("exec", "togather", "web", "--", "true");
    expect(none.exitCode).toBe(1);
    expect(none.output).toMatch(/togather_web does not run here; services of togather: app postgres/);
  });

  test("run is a job of its own that leaves nothing, and its output is in no log", async () => {
    const { exitCode, output, stdout } = await ops("run", "togather", "app", "--", "sh", "-c", asks);
    expect(exitCode, output).toBe(7);
    expect(stdout).toBe("out\n");
    expect(output).toContain("err\n");
    const long = await opsOk(
      "run",
      "togather",
      "app",
      "--",
      "sh",
      "-c",
      "echo begin-$((40+2)); sleep 3; echo end",
    );
    expect(long.stdout).toBe("begin-42\nend\n");
    expect((await opsOk("run", "togather", "app", "--", "ls", "/app")).stdout).toMatch(/^server$/m);
    const missing = await ops("run", "togather", "app", "--", "no-such-command");
    expect(missing.exitCode).not.toBe(0);
    expect(missing.output).toContain("no-such-command");
    const stateful = await ops("run", "togather", "postgres", "--", "true");
    expect(stateful.output).toContain("togather_postgres has no release, so there is no image to run");
    expect(await onMachine("docker ps --all --quiet --filter name=togather_app_run")).toBe("");
    expect(await onMachine("docker service ls --quiet --filter name=togather_app_run")).toBe("");
    expect((await opsOk("logs", "togather")).output).not.toContain("begin-42");
    expect(await leftovers()).toEqual([]);
  });

  test("a restart is a new slot of the same version, without a snapshot and without a gap", async () => {
    const before = await togather();
    const snapshots = async () => (await opsOk("snapshots", "togather")).stdout;
    const names = async () => (await snapshots()).match(/togather_production_\S+/g);
    const taken = await names();
    const started = await sql("SELECT pg_postmaster_start_time()");
    const said = await opsOk("restart", "togather", "app");
    const [, setting = ""] =
      /npm run lab -- up --stack production --set (togather:app\.restartedAt=\S+Z)/.exec(said.stdout) ?? [];
    const sets = ["--set", "togather:app.version=v1.0.0", "--set", setting];
    const { load } = await underLoad("a restart", () => labOk("up", ...sets));
    expectNoFailure(load);
    const after = await togather();
    expect(after.version).toBe(before.version);
    expect(after.slot).not.toBe(before.slot);
    expect(await names()).toEqual(taken);
    expect(await sql("SELECT pg_postmaster_start_time()")).toBe(started);
    await labOk("preview", ...sets, "--expect-no-changes");
    const refused = await ops("restart", "togather", "postgres");
    expect(refused.exitCode).toBe(1);
    expect(refused.output).toContain("use one of: togather app");
  });
});

describe("a new password of the database", () => {
  const generation = (number: number) => ["--set", `togather:postgres.passwordGeneration=${number}`];
  const version = ["--set", "togather:app.version=v1.0.0"];
  const roles = () =>
    sql(
      "SELECT string_agg(rolname || CASE WHEN rolcanlogin THEN ' logs in' ELSE '' END, ', ' ORDER BY rolname) FROM pg_roles WHERE rolname LIKE 'togather%'",
    );
  /** Who the app that takes requests logs in as. */
  const user = async () => {
    const name = 'echo "$DATABASE_URL" | cut -d / -f 3 | cut -d : -f 1';
    return (await opsOk("exec", "togather", "app", "--", "sh", "-c", name)).stdout.trim();
  };

  test("comes with a role that acts as the owner, and the one of before ends: no request is lost", async () => {
    expect(await roles()).toBe("togather logs in");
    const second = await underLoad("the second password", () => labOk("up", ...version, ...generation(2)));
    expectNoFailure(second.load);
    expect(await roles()).toBe("togather, togather_login_2 logs in");
    expect(await user()).toBe("togather_login_2");
    await labOk("preview", ...version, ...generation(2), "--expect-no-changes");
    const third = await underLoad("the third password", () => labOk("up", ...version, ...generation(3)));
    expectNoFailure(third.load);
    expect(await roles()).toBe("togather, togather_login_3 logs in");
    expect(await user()).toBe("togather_login_3");
    expect(await leftovers()).toEqual([]);
  });

  test("does not change to whom what a migration makes belongs", async () => {
    await labOk("up", "--set", "togather:app.version=v2.0.0", ...generation(3));
    expect(await sql("SELECT version, dirty FROM schema_migrations")).toBe("4|f");
    const owners =
      "SELECT string_agg(DISTINCT tableowner, ', ') FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'spatial_ref_sys'";
    expect(await sql(owners)).toBe("togather");
  });

  test("is followed by the first one again, when the configuration says so", async () => {
    await opsOk("reverse-migration", "togather", "--to", "3", "--yes");
    await labOk("up", ...version, ...generation(1));
    expect(await roles()).toBe("togather logs in");
    expect(await user()).toBe("togather");
  });
});

test("a new password of the superuser: the server restarts, as the preview says, and nobody else is shut out", async () => {
  const version = ["--set", "togather:app.version=v1.0.0"];
  const generation = (number: number) => [
    ...version,
    "--set",
    `togather:postgres.superuserPasswordGeneration=${number}`,
  ];
  const before = await togather();
  const preview = await labOk("preview", ...generation(2));
  expect(preview.output).toMatch(/update.*Service togather_postgres/);
  const { load } = await underLoad("a new password of the superuser", () => labOk("up", ...generation(2)));
  // One gap, Postgres' restart; the app's slot stays and finds it again.
  expect(load.timeline.filter(({ failures }) => failures > 0).length).toBeLessThanOrEqual(15);
  expect(await togather()).toMatchObject({ slot: before.slot, healthy: true });
  await labOk("preview", ...generation(2), "--expect-no-changes");
  const who = ["--", "--no-align", "--tuples-only", "--command", "SELECT current_user"];
  expect((await opsOk("psql", "togather", "--superuser", ...who)).stdout).toBe("postgres\n");
  // Everything that the engine does as the superuser works with the new one: a refresh reads roles and databases by it.
  await labOk("up", ...generation(2), "--set", "togather:postgres.passwordGeneration=2");
  await labOk("up", ...generation(1), "--set", "togather:postgres.passwordGeneration=1");
});
