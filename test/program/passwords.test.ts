import { expect, test } from "vitest";
import { microservices } from "../../stacks/sertantai.ts";
import { completeConfig, systemsOf } from "./committed-config.ts";
import { type ProgramRun, runProgram } from "./support.ts";

/** Every password that Berth generates has its line of configuration, by which it is replaced. */

const stack = "production";
const systems = systemsOf(stack);
const { values } = completeConfig(stack, systems);
const parsed = (key: string) => JSON.parse(values[key] ?? "{}");
const run = async (change: Readonly<Record<string, string>> = {}) => {
  const program = await runProgram(stack, change, [], systems);
  expect(program.error).toBeUndefined();
  return program;
};
const passwords = ({ registrations }: ProgramRun) =>
  new Map(
    registrations
      .filter(({ type }) => type === "random:index/randomPassword:RandomPassword")
      .map(({ name, inputs }) => [name, JSON.stringify(inputs)]),
  );

/** The databases of each server. */
const servers: Readonly<Record<string, readonly string[]>> = {
  "togather:postgres": ["database"],
  "mfa:postgres": ["database"],
  "connected-repo:postgres": ["database"],
  "sertantai:postgres": ["legal", ...Object.keys(microservices)].map((name) => `${name}-database`),
  "gadgetbot:postgres": ["database"],
  "gadgetbot:zitadeldb": ["zitadel-database"],
};
type Line = readonly [setting: string, key: string, password: string, next: string];
/** The line, and the password of before; one of a role that logs in is followed by that of another role. */
const lines: readonly Line[] = [
  ...Object.entries(servers).flatMap(([setting, databases]): Line[] => {
    const [system, server] = setting.split(":");
    const superuser = `${system}_${server}-superuser`;
    return [
      ...databases.map((name): Line => {
        const password = (of: string) => `${system}_${name}-${of}password`;
        return [setting, "passwordGeneration", password(""), password("login-2-")];
      }),
      [setting, "superuserPasswordGeneration", superuser, superuser],
    ];
  }),
  ["sertantai:redis", "passwordGeneration", "sertantai_redis-password", "sertantai_redis-password"],
  ["mfa:redis", "passwordGeneration", "mfa_redis-password", "mfa_redis-password"],
  ["registry:server", "passwordGeneration", "registry_server-password", "registry_server-password"],
];

test("every generated password has a line, whichever component made it, and the lines replace them all", async () => {
  const before = passwords(await run());
  expect([...before.keys()].toSorted()).toEqual(lines.map(([, , password]) => password).toSorted());
  const change: Record<string, Record<string, unknown>> = {};
  for (const [setting, key] of lines) {
    const committed = parsed(setting);
    change[setting] = { ...committed, ...change[setting], [key]: 2 };
  }
  const after = passwords(
    await run(Object.fromEntries(Object.entries(change).map(([key, own]) => [key, JSON.stringify(own)]))),
  );
  const changed = [...after].filter(([name, inputs]) => before.get(name) !== inputs).map(([name]) => name);
  expect(changed.toSorted()).toEqual(lines.map(([, , , next]) => next).toSorted());
});
