import { expect, test } from "vitest";
import { completeConfig } from "../program/committed-config.ts";
import { changedValues, problemsOf } from "./changed-config.ts";

/** The catalogue of bad input, MFA's settings and secrets: production's file with one value changed, and every resulting problem. */

const { values, secretKeys } = completeConfig("production", ["togather", "mfa"]);
const problemsWith = (path: string, value: unknown) =>
  problemsOf(changedValues(values, path, value), secretKeys);

const remove = "Remove it: npx pulumi config rm --path mfa:";
const cases: [path: string, value: unknown, says: string][] = [
  [
    "mfa:app.programsBackend",
    "postgres",
    'mfa:app.programsBackend: "postgres" is invalid; use one of: airtable_only, postgres_shadow_read, postgres_only',
  ],
  ["mfa:app.dataBackendPrograms", "postgres_only", "mfa:app.dataBackendPrograms: unknown key"],
  [
    "mfa:app.environment.DATABASE_URL",
    "postgresql://postgres:secret@postgres:5432/mfa",
    `mfa:app.environment.DATABASE_URL: is a secret that Berth makes. ${remove}app.environment.DATABASE_URL`,
  ],
  [
    "mfa:worker.environment.REDIS_URL",
    "redis://mfa_redis:6379",
    `mfa:worker.environment.REDIS_URL: is a secret that Berth makes. ${remove}worker.environment.REDIS_URL`,
  ],
  [
    "mfa:app.environment.DATA_BACKEND_PROGRAMS",
    "postgres_only",
    `follows mfa:app.programsBackend, which is what to set. ${remove}app.environment.DATA_BACKEND_PROGRAMS`,
  ],
  [
    "mfa:worker.environment.AIRTABLE_ACCESS_TOKEN",
    "pat1234567890",
    "is the secret mfa:airtableAccessToken. ",
  ],
  ["mfa:app.environment.SENTRY_TOKEN", "x", "is a credential by its name"],
  ["mfa:worker.version", "v1.1.0", "mfa:worker.version: unknown key"],
  ["mfa:worker.replicas", 0, "mfa:worker.replicas: 0 is too small"],
  ["mfa:redis.policy", "lru", 'mfa:redis.policy: "lru" is invalid; use one of: noeviction, '],
  ["mfa:redis.maxmemoryPercent", 100, "mfa:redis.maxmemoryPercent: 100 is too large"],
  ["mfa:postgres.upgradeFrom", "16-alpine", 'mfa:postgres.upgradeFrom: "16-alpine" is not a major version'],
  ["mfa:postgres.version", "latest", 'mfa:postgres.version: "latest" '],
  ["mfa:postgres.tunnelPort", 15432, "is taken by togather:postgres.tunnelPort; choose another"],
  [
    "mfa:app.cacheAllowedFrom",
    ["203.0.113.7"],
    'mfa:app.cacheAllowedFrom.0: "203.0.113.7" is not a network; use CIDR notation, as in 203.0.113.7/32',
  ],
  ["mfa:databaseUrl", "postgresql://x", "mfa:databaseUrl: unknown key"],
  ["mfa:jwtSecret", "c2hvcnQ=", "mfa:jwtSecret: [secret] has 5 bytes, needs at least 32. "],
  ["mfa:openaiApiKey", "sk-1", "mfa:openaiApiKey: [secret] has 4 characters, needs at least 10. "],
  ["mfa:smtpPort", "587/tls", "mfa:smtpPort: [secret] is not a port; use a number from 1 to 65535. "],
  [
    "mfa:smtpServer",
    "smtp://mail.example",
    "mfa:smtpServer: [secret] is not the name or IPv4 address of a host; leave out scheme, port and path. ",
  ],
  ["mfa:smtpFrom", "mister-nobody", "mfa:smtpFrom: [secret] is not an e-mail address; "],
  [
    "berth:systems.mfa.domain",
    "mfa.elsewhere.example",
    'berth:systems.mfa.domain: "mfa.elsewhere.example" is in none of the zones of berth:dns; use a name in togather.example, mfa.drvn.be. ',
  ],
  [
    "berth:hosts.code.sshPort",
    80,
    "berth:hosts.code.sshPort: 80 is the edge's http port; choose another, as in 22",
  ],
  ["mfa:app.replicas", 11, "mfa:app.replicas: 11 is too large"],
  [
    "mfa:app.methodUsageBackend",
    "POSTGRES_ONLY",
    'mfa:app.methodUsageBackend: "POSTGRES_ONLY" is invalid; use one of: airtable_only, postgres_shadow_read, postgres_only',
  ],
  [
    "mfa:app.environment.JWT_SECRET",
    "c2hvcnQ=",
    `mfa:app.environment.JWT_SECRET: is the secret mfa:jwtSecret. `,
  ],
  [
    "mfa:worker.environment.SMTP_PASSWORD",
    "hunter2hunter2",
    "mfa:worker.environment.SMTP_PASSWORD: is a credential by its name",
  ],
  ["mfa:migrations.lockTimeoutSeconds", 0, "mfa:migrations.lockTimeoutSeconds: 0 is too short; use 1 to 600"],
  [
    "mfa:migrations.lockTimeoutSeconds",
    3600,
    "mfa:migrations.lockTimeoutSeconds: 3600 is too long; use 1 to 600",
  ],
  ["mfa:migrations.deadlineSeconds", 5, "mfa:migrations.deadlineSeconds: 5 is too short; use 10 to 86400"],
  ["mfa:redis.memoryMebibytes", "256MB", "mfa:redis.memoryMebibytes: "],
  ["mfa:redis.appendfsync", "no", "mfa:redis.appendfsync: "],
  ["mfa:postgres.passwordGeneration", 0, "mfa:postgres.passwordGeneration: 0 is too small; count up from 1"],
  ["mfa:worker.port", 3000, "mfa:worker.port: unknown key"],
  [
    "berth:systems.mfa.host",
    "main2",
    'berth:systems.mfa.host: no host "main2" in berth:hosts; use one of: main, code',
  ],
];

test("the file itself is taken", () => {
  expect(problemsWith("mfa:worker.replicas", 1)).toEqual([]);
});

test.each(cases)("%s = %j", (path, value, says) => {
  const problems = problemsWith(path, value);
  expect(problems[0]).toContain(says);
  // A message never contains a secret's value.
  if (says.includes("[secret]")) expect(problems.join()).not.toContain(String(value));
});
