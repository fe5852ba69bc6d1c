import { describe, expect, test } from "vitest";
import { changed, problems } from "./changed-config.ts";

/** The catalogue of bad input, Togather's settings and secrets: production's file with one value changed, and every resulting problem. */

const cases: [path: string, value: unknown, problems: string][] = [
  ["togather:app.replicas", 0, "togather:app.replicas: 0 is too small; use 1 or more"],
  ["togather:app.replicas", 11, "togather:app.replicas: 11 is too large; use 10 or less"],
  ["togather:app.replicas", 1.5, "togather:app.replicas: 1.5 has the wrong type; expected a whole number"],
  [
    "togather:app.restartedAt",
    "yesterday",
    'togather:app.restartedAt: "yesterday" is not a time in UTC; use one as in "2026-01-28T14:30:22Z"',
  ],
  [
    "togather:postgres.passwordGeneration",
    0,
    "togather:postgres.passwordGeneration: 0 is too small; count up from 1",
  ],
  [
    "togather:postgres.superuserPasswordGeneration",
    10000,
    "togather:postgres.superuserPasswordGeneration: 10000 is too large; use 1 to 9999",
  ],
  ["togather:app.memoryMebibytes", 16, "togather:app.memoryMebibytes: 16 is too small; use 64 or more"],
  [
    "togather:app.memoryMebibytes",
    100000,
    "berth:hosts.main.serverType: cx33 has 8192 MiB, and the limits of what runs on it are 201536 MiB, 193344 MiB too much; choose a larger type or lower the services' memoryMebibytes",
  ],
  [
    "togather:app.logLevel",
    "verbose",
    'togather:app.logLevel: "verbose" is invalid; use one of: DEBUG, INFO, WARN, ERROR',
  ],
  ["togather:app.port", 80, "togather:app.port: 80 is too small; use 1024 or more"],
  [
    "togather:app.environment",
    { corsAllowedOrigins: "x", "1ST": "x", "A-B": "x" },
    ["corsAllowedOrigins", "1ST", "A-B"]
      .map(
        (name) =>
          `togather:app.environment.${name}: is not the name of a variable; use upper-case letters, digits and _, a letter first, as in CORS_ALLOWED_ORIGINS`,
      )
      .join("\n"),
  ],
  [
    "togather:app.environment.PORT",
    8080,
    "togather:app.environment.PORT: follows togather:app.port, which is what to set. Remove it: npx pulumi config rm --path togather:app.environment.PORT",
  ],
  [
    "togather:app.environment.JWT_SECRET",
    "canary",
    "togather:app.environment.JWT_SECRET: is the secret togather:jwtSecret. Remove it: npx pulumi config rm --path togather:app.environment.JWT_SECRET. Set the secret: cat value.txt | npx pulumi config set --secret togather:jwtSecret",
  ],
  [
    "togather:app.environment.DATABASE_URL",
    "postgres://a:canary@b/c",
    "togather:app.environment.DATABASE_URL: is a secret that Berth makes. Remove it: npx pulumi config rm --path togather:app.environment.DATABASE_URL",
  ],
  [
    "togather:app.environment.SMTP_PASSWORD",
    "canary",
    'togather:app.environment.SMTP_PASSWORD: is a credential by its name, and a plain variable stands in clear in this file and on the host. Remove it: npx pulumi config rm --path togather:app.environment.SMTP_PASSWORD. Declare the secret "smtpPassword" in stacks/togather.ts, then set it: cat value.txt | npx pulumi config set --secret togather:smtpPassword',
  ],
  [
    "togather:app.environment.BROKERS",
    "amqp://one,amqp://user:canary@two",
    'togather:app.environment.BROKERS: holds a URL with a password, and a plain variable stands in clear in this file and on the host. Remove it: npx pulumi config rm --path togather:app.environment.BROKERS. Declare the secret "brokers" in stacks/togather.ts, then set it: cat value.txt | npx pulumi config set --secret togather:brokers',
  ],
  [
    "togather:app.environment.ORIGINS",
    ["https://a.example"],
    "togather:app.environment.ORIGINS: has the wrong type; use text, a number, true or false",
  ],
  [
    "togather:app.environment.GREETING",
    "a\nb",
    "togather:app.environment.GREETING: contains a line break; use a single line",
  ],
  ["togather:app.version", "", 'togather:app.version: "" is empty'],
  [
    "togather:app.integartionTests",
    true,
    "togather:app.integartionTests: unknown key; use one of: version, replicas, memoryMebibytes, cpus, healthCheck, environment, databaseTls, keepPreviousMinutes, restartedAt, releaseAgain, port, healthFields, adminAllowedFrom, logLevel, integrationTests",
  ],
  ["togather:postgres.tunnelPort", 80, "togather:postgres.tunnelPort: 80 is too small; use 1024 or more"],
  ["togather:snapshots.keep", 0, "togather:snapshots.keep: 0 is too small; use 1 or more"],
  [
    "togather:snapshots.keep",
    "a week",
    'togather:snapshots.keep: "a week" has the wrong type; expected number',
  ],
  [
    "togather:migrations.skipFor",
    "v0.9.0",
    'togather:migrations.skipFor: "v0.9.0" is not the version that is deployed, v1.0.0; it skips the migrations of one version only. Remove it: npx pulumi config rm --path togather:migrations.skipFor',
  ],
  [
    "togather:migrations.skipRehearsalFor",
    "v0.9.0",
    'togather:migrations.skipRehearsalFor: "v0.9.0" is not the version that is deployed, v1.0.0; it skips the rehearsal of one version only. Remove it: npx pulumi config rm --path togather:migrations.skipRehearsalFor',
  ],
  [
    "togather:migrations.steps",
    [
      { kind: "golang-migrate", folder: "migrations" },
      { kind: "command", name: "River", command: [], environment: { PGHOST: "elsewhere" }, version: {} },
    ],
    [
      'togather:migrations.steps.0.folder: "migrations" is not an absolute path; use one as in /migrations',
      'togather:migrations.steps.1.name: "River" is not a name; use lower-case letters, digits and -',
      "togather:migrations.steps.1.command: [] is empty; name the program and its arguments",
      "togather:migrations.steps.1.environment.PGHOST: is set by Berth; leave it out",
      "togather:migrations.steps.1.version: {} is invalid; use { query: <SQL> } or { command: [<program>, <argument>…] }",
    ].join("\n"),
  ],
  [
    "togather:migrations.steps",
    [
      { kind: "golang-migrate", folder: "/one" },
      { kind: "golang-migrate", folder: "/two" },
    ],
    'togather:migrations.steps: [{"kind":"golang-migrate","folder":"/one","command":["migrate"]},{"kind":"golang-migrate","folder":"/two","command":["migrate"]}] has golang-migrate twice; its record in the database is one, so use one step of it',
  ],
  [
    "togather:migrations.steps",
    [
      {
        kind: "command",
        name: "river",
        command: ["river"],
        image: { name: "togather/migrations", version: "v1" },
      },
    ],
    "berth:images.togather/migrations: missing, needed by togather:migrations.steps.0.image.version; add its repository and digests",
  ],
  [
    "togather:migrations.memoryMebibytes",
    100_000,
    "berth:hosts.main.serverType: cx33 has 8192 MiB, and the limits of what runs on it are 102048 MiB, 93856 MiB too much; choose a larger type or lower the services' memoryMebibytes",
  ],
  ["togather:migrations.cpus", 0, "togather:migrations.cpus: 0 is too small; use 0.1 or more"],
  [
    "togather:jwtSecret",
    "not base64 at all!",
    "togather:jwtSecret: [secret] is not base64. Set it: openssl rand -base64 32 | npx pulumi config set --secret togather:jwtSecret --stack production",
  ],
  [
    "togather:adminApiKey",
    "xyz",
    "togather:adminApiKey: [secret] is not hexadecimal. Set it: openssl rand -hex 32 | npx pulumi config set --secret togather:adminApiKey --stack production",
  ],
];

describe("bad input", () => {
  test.each(cases)("%s = %j", (path, value, says) => {
    // A table may follow the first line.
    const said = problems(changed(path, value)).map((problem) => problem.split("\n")[0]);
    expect(said).toEqual(says.split("\n"));
  });
});
