import { expect, test } from "vitest";
import { type ProgramRun, runProgram } from "./support.ts";

test("another generation of a password is a role that acts as the owner; the previous login is removed last", async () => {
  const type = "postgresql:index/role:Role";
  const names = ({ registrations }: ProgramRun) => registrations.map(({ name }) => name);
  const first = await runProgram("production");
  const second = await runProgram("production", {
    "togather:postgres": JSON.stringify({
      version: "16",
      passwordGeneration: 2,
      superuserPasswordGeneration: 2,
    }),
  });
  expect(second.error).toBeUndefined();
  expect(names(first).filter((name) => !names(second).includes(name))).toEqual([
    "togather_database-owner-login",
  ]);
  expect(
    names(second)
      .filter((name) => !names(first).includes(name))
      .toSorted(),
  ).toEqual(["togather_database-login-2", "togather_database-login-2-password"]);
  expect(second.find(type, "togather_database-login-2").inputs).toMatchObject({
    ...{ name: "togather_login_2", login: true, roles: ["togather"], assumeRole: "togather" },
  });
  // The owner stays registered, so that the old slot's login works until the slot is deleted.
  const owner = second.find(type, "togather_database-role");
  expect(owner.ignoreChanges).toEqual(["login"]);
  expect(owner.inputs.password).toEqual(first.find(type, "togather_database-role").inputs.password);
  const passwords = (run: ProgramRun) =>
    run.find("random:index/randomPassword:RandomPassword", "togather_postgres-superuser").inputs;
  expect(passwords(first)).not.toHaveProperty("keepers");
  expect(passwords(second)).toMatchObject({ keepers: { generation: "2" } });
});

test("privileges that migrations need and the owner lacks are granted after the extensions, and no others", async () => {
  const { find } = await runProgram("production");
  const grant = find("postgresql:index/grant:Grant", "togather_database-grant-spatial-ref-sys");
  expect(grant.inputs).toMatchObject({
    objects: ["spatial_ref_sys"],
    privileges: ["INSERT"],
    schema: "public",
  });
  expect(grant.dependsOn).toContain("togather_database-postgis");
  expect(find("command:local:Command", "togather_app-snapshot").dependsOn).toContain(grant.name);
});
