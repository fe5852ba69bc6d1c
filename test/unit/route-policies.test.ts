import { expect, test } from "vitest";
import { z } from "zod";
import type { Route } from "../../components/edge/route.ts";
import type { System } from "../../components/system.ts";
import { ConfigError, parseConfig } from "../../config.ts";
import { policies } from "../../policy/configuration.ts";
import { systems } from "../../stacks/index.ts";
import { completeConfig } from "../program/committed-config.ts";
import { routesOfTheSeeds } from "./routes-of-the-seeds.ts";

/** The rules for a second system on Togather's host. */

const { values, secretKeys } = completeConfig("production");

function made(name: string, routes: (domain: string) => readonly Route[]): System {
  return {
    name,
    settings: z.strictObject({}),
    secrets: {},
    services: () => [],
    routes,
    build: () => {
      throw new Error("nothing is built here");
    },
  };
}

/** Production's configuration with more systems on its host, by the number of the edge network that they ask for. */
function problems(others: readonly (readonly [system: System, edgeNetwork?: number])[]): readonly string[] {
  const placed = JSON.parse(values["berth:systems"] ?? "{}");
  for (const [{ name }, edgeNetwork] of others) {
    placed[name] = { host: "main", domain: `${name}.togather.example`, ...(edgeNetwork && { edgeNetwork }) };
  }
  const input = { ...values, "berth:systems": JSON.stringify(placed) };
  const definitions = [...systems, ...others.map(([system]) => system)];
  const isSecret = (key: string) => secretKeys.includes(key);
  try {
    parseConfig({ stack: "production", values: input, isSecret }, definitions, policies);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

const plain = (domain: string): Route => ({ domain, path: "/", port: 3000, bodyLimitMebibytes: 1 });

test("a system with a second domain, on its own network, is accepted", () => {
  const system = made("diary", (domain) => [plain(domain), plain(`auth.${domain}`)]);
  expect(problems([[system, 2]])).toEqual([]);
});

test("systems of one host do not share an edge network, left out or not", () => {
  const diary = made("diary", (domain) => [plain(domain)]);
  const robot = made("robot", (domain) => [plain(domain)]);
  const why = "and systems that share one can bypass the edge to reach each other";
  expect(problems([[diary], [robot, 2]])).toEqual([
    `berth:systems.diary.edgeNetwork: 1 is togather's, ${why}; 3 is free: npx pulumi config set --path berth:systems.diary.edgeNetwork 3 --stack production`,
  ]);
  expect(problems([[diary], [robot]]).map((problem) => problem.split("; ")[1])).toEqual([
    "2 is free: npx pulumi config set --path berth:systems.diary.edgeNetwork 2 --stack production",
    "3 is free: npx pulumi config set --path berth:systems.robot.edgeNetwork 3 --stack production",
  ]);
});

test("a host has eight", () => {
  const others = Array.from(
    { length: 8 },
    (_, index) => [made(`more${index}`, (domain) => [plain(domain)]), Math.min(index + 2, 8)] as const,
  );
  expect(problems(others)).toEqual([
    "berth:systems.more7.edgeNetwork: 8 is more6's, and systems that share one can bypass the edge to reach each other; main has none left; place more7 on another host",
  ]);
});

test("every domain of a route is in a zone", () => {
  const system = made("diary", (domain) => [plain(domain), plain("auth.elsewhere.example")]);
  expect(problems([[system, 2]])).toEqual([
    'berth:systems.diary.domain: "auth.elsewhere.example" is in none of the zones of berth:dns; use a name in togather.example. ' +
      "Add its zone: npx pulumi config set --path 'berth:dns.otherZones[0]' ZONE --stack production",
  ]);
});

test("an exact path and a prefix of the same text are two routes; a repeated route is refused", () => {
  const health = (domain: string): Route => ({ ...plain(domain), path: "/health" });
  const exact = (domain: string): Route => ({ ...health(domain), match: "exact" });
  expect(problems([[made("diary", (domain) => [health(domain), exact(domain)]), 2]])).toEqual([]);
  expect(problems([[made("diary", () => [plain("togather.example")]), 2]])).toEqual([
    "berth:systems.diary.domain: togather.example/ is already a route of togather; choose another domain",
  ]);
});

test("a route that cannot be rendered is refused, with all its problems", () => {
  const system = made("diary", (domain) => [
    { ...plain(domain), path: "/a b", stripPrefix: true, bodyLimitMebibytes: 0 },
  ]);
  expect(problems([[system, 2]])).toEqual([
    'diary: the route diary.togather.example/a b: path: "/a b" is invalid; it begins with / and has letters, digits and . _ ~ @ : / - alone',
    "diary: the route diary.togather.example/a b: stripPrefix: true is invalid with the path /a b; use it with a prefix that ends with /, as in /electric/",
    "diary: the route diary.togather.example/a b: bodyLimitMebibytes: 0 is invalid; use 1 or more",
  ]);
});

test("HTTP/2 to a service is refused on an edge that does not support it", () => {
  const system = made("robot", (domain) =>
    (routesOfTheSeeds.gadgetbot?.zitadel ?? []).map((route) => ({ ...route, domain })),
  );
  expect(problems([[system, 2]])).toEqual([
    "berth:hosts.main.edge.kind: nginx cannot do the protocol h2c of the route robot.togather.example/: it speaks HTTP/1.1 to services " +
      "(HTTP/2 begins with nginx 1.29.4); kinds that can: traefik. robot has it",
  ]);
});
