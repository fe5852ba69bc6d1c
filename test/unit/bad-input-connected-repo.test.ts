import { expect, test } from "vitest";
import { completeConfig } from "../program/committed-config.ts";
import { changedValues, problemsOf } from "./changed-config.ts";

/** The catalogue of bad input, connected-repo's own part: production's file with one value changed, and what is said. */

const { values, secretKeys } = completeConfig("production", ["connected-repo"]);
const problemsWith = (path: string, value: unknown) =>
  problemsOf(changedValues(values, path, value), secretKeys);

const api = "connected-repo:api";
const remove = `Remove it: npx pulumi config rm --path ${api}.environment.`;
const notAnOrigin = "is not an origin; use https:// and a host name in lower case";
const cases: [path: string, value: unknown, says: string][] = [
  [
    "connected-repo:sessionSecret",
    "only-31-characters-are-in-here.",
    "connected-repo:sessionSecret: [secret] has 31 characters, needs at least 32. Set it: openssl rand -base64 32 | npx pulumi config set --secret connected-repo:sessionSecret",
  ],
  [
    "connected-repo:googleClientSecret",
    "GOCSPX-short",
    "connected-repo:googleClientSecret: [secret] has 12 characters, needs at least 16. Set it: cat value.txt | ",
  ],
  [
    `${api}.googleClientId`,
    "1234.apps.example.com",
    `${api}.googleClientId: "1234.apps.example.com" is not a client id of Google; use one as in 1234-abcd.apps.googleusercontent.com`,
  ],
  [
    `${api}.allowedOrigins`,
    ["app.connected-repo.example"],
    `${api}.allowedOrigins.0: "app.connected-repo.example" ${notAnOrigin}`,
  ],
  [
    `${api}.allowedOrigins`,
    ["https://app.connected-repo.example/"],
    `${api}.allowedOrigins.0: "https://app.connected-repo.example/" ${notAnOrigin}`,
  ],
  [`${api}.allowedOrigins`, ["*"], `${api}.allowedOrigins.0: "*" ${notAnOrigin}`],
  [
    `${api}.allowedOrigins`,
    ["http://app.connected-repo.example"],
    "no path and no / at the end, as in https://app.example.org; http:// is for localhost alone",
  ],
  [
    `${api}.allowedOrigins`,
    ["https://app.connected-repo.example:443"],
    "names port 443, which a browser leaves out; leave it out",
  ],
  [
    `${api}.allowedOrigins`,
    ["https://app.connected-repo.example", "https://app.connected-repo.example"],
    "names an origin twice; remove one of them",
  ],
  [`${api}.allowedOrigins`, [], "is empty; name the frontend's origin, as in https://app.example.org"],
  [
    `${api}.allowedOrigins`,
    "https://app.connected-repo.example",
    `${api}.allowedOrigins: "https://app.connected-repo.example" has the wrong type; expected array`,
  ],
  [
    `${api}.webappUrl`,
    "app.connected-repo.example",
    `${api}.webappUrl: "app.connected-repo.example" is not a URL; use one as in https://app.example.org`,
  ],
  [
    `${api}.webappUrl`,
    "https://other.connected-repo.example/home",
    `${api}.webappUrl: "https://other.connected-repo.example/home" is at an origin that ${api}.allowedOrigins lacks, so its requests would be refused; use one at https://app.connected-repo.example, or add its origin there`,
  ],
  [`${api}.environment.DB_HOST`, "localhost", `is set by Berth. ${remove}DB_HOST`],
  [`${api}.environment.DB_PASSWORD`, "canary-password", `is a secret that Berth makes. ${remove}DB_PASSWORD`],
  [
    `${api}.environment.VITE_API_URL`,
    "https://elsewhere.example",
    `follows berth:url, which is what to set. ${remove}VITE_API_URL`,
  ],
  [
    `${api}.environment.ALLOWED_ORIGINS`,
    "https://elsewhere.example",
    `follows ${api}.allowedOrigins, which is what to set. ${remove}ALLOWED_ORIGINS`,
  ],
  [`${api}.environment.SESSION_SECRET`, "canary", "is the secret connected-repo:sessionSecret. "],
  [`${api}.cpus`, 0, `${api}.cpus: 0 is too small; use 0.1 or more`],
  [`${api}.replicas`, 11, `${api}.replicas: 11 is too large`],
  [`${api}.healthCheck.intervalSeconds`, 0, `${api}.healthCheck.intervalSeconds: 0 is too small`],
  [`${api}.healthCheck.interval`, "30s", `${api}.healthCheck.interval: unknown key`],
  ["connected-repo:limits.requestsPerSecond", 4, "connected-repo:limits.requestsPerSecond: unknown key"],
  [
    "berth:systems.connected-repo.domain",
    "api.elsewhere.example",
    'berth:systems.connected-repo.domain: "api.elsewhere.example" is in none of the zones of berth:dns; use a name in togather.example, connected-repo.example. ',
  ],
  [
    "berth:systems.connected-repo-",
    { host: "main" },
    "berth:systems.connected-repo-: is not a name; use lower-case letters and digits, words joined by single hyphens",
  ],
  [
    "berth:systems.host-main",
    { host: "main" },
    "berth:systems.host-main: is the name of a host's own backups; use one that does not begin with host-",
  ],
];

test("the file itself is taken, and a secret of 32 characters", () => {
  expect(problemsWith(`${api}.replicas`, 3)).toEqual([]);
  expect(problemsWith("connected-repo:sessionSecret", "exactly-32-characters-are-here..")).toEqual([]);
});

test.each(cases)("%s = %j", (path, value, says) => {
  const problems = problemsWith(path, value);
  expect(problems.join("\n")).toContain(says);
  // A secret's value is never repeated.
  if (says.includes("secret")) expect(problems.join()).not.toContain(String(value));
});
