import { expect, test } from "vitest";
import { completeConfig } from "../program/committed-config.ts";
import { changedValues, problemsOf } from "./changed-config.ts";

/** The catalogue of bad input, GadgetBot's own part: production's file with one value changed, and what is said. */

const { values, secretKeys } = completeConfig("production", ["gadgetbot"]);
const problemsWith = (path: string, value: unknown) =>
  problemsOf(changedValues(values, path, value), secretKeys);

const app = "gadgetbot:app";
const zitadel = "gadgetbot:zitadel";
const remove = "Remove it: npx pulumi config rm --path";
const cases: [path: string, value: unknown, says: string][] = [
  [
    "gadgetbot:zitadelMasterkey",
    "canaryMasterkeyOf31Characters00",
    "gadgetbot:zitadelMasterkey: [secret] has 31 characters, needs exactly 32. Set it: openssl rand -hex 16 | cut -c 1-32 | npx pulumi config set --secret gadgetbot:zitadelMasterkey",
  ],
  [
    "gadgetbot:zitadelMasterkey",
    "canaryMasterkeyOf33Characters0000",
    "[secret] has 33 characters, needs exactly 32",
  ],
  [
    "gadgetbot:zitadelMasterkey",
    "canary-masterkey-of-32-character",
    "[secret] has characters other than letters and digits",
  ],
  [
    "gadgetbot:betterAuthSecret",
    Buffer.from("canary-of-23-characters").toString("base64"),
    "gadgetbot:betterAuthSecret: [secret] has 23 bytes, needs at least 32. Set it: openssl rand -base64 32 | ",
  ],
  ["gadgetbot:betterAuthSecret", "canary secret in words", "[secret] is not base64"],
  [
    "gadgetbot:zitadelAdminPassword",
    "canarypassword",
    "gadgetbot:zitadelAdminPassword: [secret] lacks an upper-case letter, a digit, a symbol. Set it: echo ",
  ],
  ["gadgetbot:zitadelAdminPassword", "Canary-1", "[secret] has 8 characters, needs at least 12"],
  [
    `${app}.environment.ZITADEL_ISSUER`,
    "https://gadgetbot-auth.vellandi.net",
    `is not what the app reads, which is ZITADEL_ISSUER_URL and follows ${zitadel}.domain. ${remove} ${app}.environment.ZITADEL_ISSUER`,
  ],
  [
    `${app}.environment.ZITADEL_ISSUER_URL`,
    "https://elsewhere.example",
    `follows ${zitadel}.domain, which is what to set. ${remove}`,
  ],
  [
    `${app}.environment.ZITADEL_CLIENT_SECRET`,
    "canary-client-secret",
    "is of no use: the app signs in with PKCE, so choose the authentication method None for it in Zitadel",
  ],
  [
    `${app}.environment.DATABASE_URL`,
    "postgres://postgres:canary@gadgetbot-db:5432/gadgetbot",
    `is a secret that Berth makes. ${remove} ${app}.environment.DATABASE_URL`,
  ],
  [
    `${app}.environment.DATABASE_POOL_MIN`,
    "2",
    `follows ${app}.poolMin, which is what to set. ${remove} ${app}.environment.DATABASE_POOL_MIN`,
  ],
  [
    `${app}.environment.BETTER_AUTH_URL`,
    "gadgetbot.vellandi.net",
    `follows berth:url, which is what to set. ${remove}`,
  ],
  [`${app}.environment.BETTER_AUTH_SECRET`, "canary", "is the secret gadgetbot:betterAuthSecret. "],
  [`${app}.environment.ZITADEL_SERVICE_TOKEN`, "canary", "is a credential by its name"],
  [`${app}.poolMin`, "2", `${app}.poolMin: "2" has the wrong type; expected number`],
  [`${app}.poolMin`, 11, `${app}.poolMin: 11 is more than ${app}.poolMax, 10; use 10 or less`],
  [`${app}.poolMax`, 0, `${app}.poolMax: 0 is too small`],
  [`${app}.poolMax`, 2.5, `${app}.poolMax: 2.5`],
  [
    `${app}.clientId`,
    "344936354465016579@gadgetbot",
    `${app}.clientId: "344936354465016579@gadgetbot" is not a client id; use the digits alone, as in 344936354465016579`,
  ],
  [`${app}.clientId`, 344936354465, `${app}.clientId: 344936354465 has the wrong type; expected string`],
  [
    "berth:systems.gadgetbot.domain",
    "https://gadgetbot.vellandi.net",
    'berth:systems.gadgetbot.domain: "https://gadgetbot.vellandi.net" is not a domain; use lower-case labels with dots, without scheme, port or path',
  ],
  [
    `${zitadel}.domain`,
    "https://gadgetbot-auth.vellandi.net",
    `${zitadel}.domain: "https://gadgetbot-auth.vellandi.net" is not a domain; use lower-case labels with dots, without scheme, port or path`,
  ],
  [
    `${zitadel}.domain`,
    "gadgetbot.vellandi.net",
    "gadgetbot.vellandi.net/ is already a route of gadgetbot; choose another domain",
  ],
  [
    `${zitadel}.domain`,
    "auth.elsewhere.example",
    '"auth.elsewhere.example" is in none of the zones of berth:dns',
  ],
  [
    `${zitadel}.version`,
    "v2.62.1",
    `${zitadel}.version: "v2.62.1" has no image of login v2; use v4.0.0 or newer`,
  ],
  ["gadgetbot:zitadeldb.version", "latest", '"latest" can be another image tomorrow; use a version'],
  [
    "gadgetbot:login.version",
    "v4.17.1",
    'gadgetbot:login.version: "v4.17.1" is not gadgetbot:zitadel.version, v4.17.3; the two are released together',
  ],
  [
    "gadgetbot:login.tokenExpires",
    "2029-01-01T00:00:00Z",
    'gadgetbot:login.tokenExpires: "2029-01-01T00:00:00Z" is not a day; use one as in 2029-01-01',
  ],
  [`${zitadel}.environment.ZITADEL_EXTERNALSECURE`, "false", `is set by Berth. ${remove}`],
  [`${zitadel}.environment.ZITADEL_MASTERKEY`, "canary", "is the secret gadgetbot:zitadelMasterkey. "],
  [
    `${zitadel}.environment.ZITADEL_DATABASE_POSTGRES_USER_SSL_MODE`,
    "disable",
    `is set by Berth. ${remove} ${zitadel}.environment.ZITADEL_DATABASE_POSTGRES_USER_SSL_MODE`,
  ],
  [
    "berth:hosts.gadget.edge.kind",
    "nginx",
    "berth:hosts.gadget.edge.kind: nginx cannot do the protocol h2c of the route gadgetbot-auth.vellandi.net/: it speaks HTTP/1.1 to services",
  ],
  [
    "gadgetbot:zitadeldb.tunnelPort",
    15436,
    "gadgetbot:zitadeldb.tunnelPort: 15436 is taken by gadgetbot:postgres.tunnelPort; choose another",
  ],
];

test("the file itself is taken, without a client id too", () => {
  expect(problemsWith(`${app}.clientId`, "")).toEqual([]);
  expect(problemsWith(`${app}.clientId`, "344936354465016579")).toEqual([]);
});

test.each(cases)("%s = %j", (path, value, says) => {
  const problems = problemsWith(path, value);
  expect(problems.join("\n")).toContain(says);
  // A secret's value is never repeated.
  if (String(value).toLowerCase().includes("canary")) expect(problems.join()).not.toContain(String(value));
});
