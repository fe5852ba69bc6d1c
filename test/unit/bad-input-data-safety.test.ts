import { expect, test } from "vitest";
import { completeConfig } from "../program/committed-config.ts";
import { changedValues, problemsOf } from "./changed-config.ts";

/**
 * The catalogue of bad input about data safety: production's file with backups, point in time and alerts, one value changed, and every
 * resulting problem. Limits that the schemas of these have alone are in the files that test each: backups, point-in-time, alerts, restore-from.
 */

const complete = completeConfig("production");
const password = "canary-of-the-repositories-password";
const secrets = {
  "berth:backupsAccessKeyId": "HOSTKEY",
  "berth:backupsSecretAccessKey": "canary-of-the-stores-key",
  "berth:backupsPassword": password,
  "berth:alertsEmailPassword": "canary-of-the-mail-server",
  "berth:alertsSlackUrl": "https://hooks.slack.example/canary",
  "berth:alertsNtfyUrl": "https://ntfy.example/canary",
  "berth:alertsHeartbeatUrl": "https://beat.example/{host}",
};
const store = {
  kind: "s3",
  endpoint: "https://nbg1.your-objectstorage.com",
  bucket: "berth-backups",
  region: "nbg1",
};
const email = {
  server: "smtp://mail.example.org:587",
  user: "berth",
  from: "a@example.org",
  to: ["b@example.org"],
};
const values = {
  ...complete.values,
  "berth:backups": JSON.stringify({ store, pointInTime: {} }),
  "berth:alerts": JSON.stringify({ email, slack: true, ntfy: true, heartbeatMinutes: 5 }),
  ...secrets,
};
const problems = (input: Readonly<Record<string, string>>) =>
  problemsOf(input, [...complete.secretKeys, ...Object.keys(secrets)]);

const key = "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----";
const set = (what: string) => `Set it: npx pulumi config set --path ${what} --stack production`;
const put = (producer: string, secret: string) =>
  `Set it: ${producer} | npx pulumi config set --secret ${secret} --stack production`;

/** The path of a problem is that of the value, where its message does not begin with another. */
const cases: [path: string, value: unknown, says: string][] = [
  [
    "berth:backups.store",
    undefined,
    "missing; use { kind: s3, endpoint: …, bucket: …, region: … }, of which docs/runbooks/backups.md has an example",
  ],
  [
    "berth:backups",
    "s3",
    '"s3" has the wrong type; use store: { kind: s3, endpoint: …, bucket: …, region: … }, of which docs/runbooks/backups.md has an example',
  ],
  ["berth:backups.store.kind", "storagebox", '"storagebox" is invalid; use one of: s3'],
  [
    "berth:backups.store.endpoint",
    "https://KEYID:canary@nbg1.your-objectstorage.com",
    "has a login in it, which would be stored unencrypted; use the secrets berth:backupsAccessKeyId and berth:backupsSecretAccessKey, and a new key: this one was in the file",
  ],
  [
    "berth:backups.store.endpoint",
    "https://nbg1.your-objectstorage.com:70000",
    `"https://nbg1.your-objectstorage.com:70000" is not an endpoint; use https:// and the store's host, without bucket and path, as in https://fsn1.your-objectstorage.com`,
  ],
  [
    "berth:backups.store.endpoint",
    "https://berth-backups.nbg1.your-objectstorage.com",
    `https://berth-backups.nbg1.your-objectstorage.com begins with the bucket, which berth:backups.store.bucket says; use https://nbg1.your-objectstorage.com. ${set("berth:backups.store.endpoint https://nbg1.your-objectstorage.com")}`,
  ],
  [
    "berth:backups.store.endpoint",
    undefined,
    "missing; use https:// and the store's host, as in https://fsn1.your-objectstorage.com",
  ],
  [
    "berth:backups.store.bucket",
    "berth..backups",
    `"berth..backups" is not a bucket's name; use 3 to 63 lower-case letters, digits, dashes and single dots, no IP address`,
  ],
  [
    "berth:backups.store.bucket",
    "203.0.113.7",
    `"203.0.113.7" is not a bucket's name; use 3 to 63 lower-case letters, digits, dashes and single dots, no IP address`,
  ],
  [
    "berth:backups.store.region",
    "Falkenstein",
    `"Falkenstein" is not a region; use the store's own word, as in fsn1 or us-east-1`,
  ],
  [
    "berth:backups.store.trustedAuthorityPem",
    key,
    "has a private key in it, which would be stored unencrypted; use the certificate alone, and a new key",
  ],
  [
    "berth:backups.at",
    120,
    '120 is not a time of day; use hours and minutes in UTC, as in "02:00", with the quotes',
  ],
  [
    "berth:backups.at",
    "24:00",
    '"24:00" is not a time of day; use hours and minutes in UTC, as in "02:00", with the quotes',
  ],
  ["berth:backups.keep.weekly", 0, "0 is too small; use 1 to 520"],
  ["berth:backups.keep.daily", 5000, "5000 is too large; use 1 to 3650"],
  ["berth:backups.keep.daily", "7 days", '"7 days" is not a whole number; use 1 to 3650'],
  [
    "berth:backups.keepOf.Togather",
    { daily: 30 },
    "is not a name; use lower-case letters and digits, words joined by single hyphens, at most 20, a letter first",
  ],
  ["berth:backups.keepOf.togather", 30, "30 has the wrong type; use { daily: 7, weekly: 4 }"],
  ["berth:backups.retention", 7, "unknown key; use one of: store, at, keep, keepOf, drill, pointInTime"],
  [
    "berth:backups.drill.at",
    "02:00",
    `02:00 is the time of the backup; use a later one, as in "04:00". ${set("berth:backups.drill.at TIME")}`,
  ],
  [
    "berth:backups.drill.memoryMebibytes",
    8192,
    `8192 is too large for main, whose cx33 has 6144 MiB beside what runs on it; use less, or a larger berth:hosts.main.serverType. ${set("berth:backups.drill.memoryMebibytes 512")}`,
  ],
  [
    "berth:backups.drill.newest.togather",
    { query: "DELETE FROM events", maxAgeHours: 24 },
    'berth:backups.drill.newest.togather.query: "DELETE FROM events" is not one query that reads; use a SELECT without a semicolon, as in SELECT max(created_at) FROM events',
  ],
  [
    "berth:backups.drill.newest.togather",
    { query: "SELECT now(); DROP TABLE events", maxAgeHours: 24 },
    'berth:backups.drill.newest.togather.query: "SELECT now(); DROP TABLE events" is not one query that reads; use a SELECT without a semicolon, as in SELECT max(created_at) FROM events',
  ],
  [
    "berth:backups.drill.newest.togather",
    { query: "SELECT now()", maxAgeHours: 100_000 },
    "berth:backups.drill.newest.togather.maxAgeHours: 100000 is too large; use 1 to 87600",
  ],
  ["berth:backups.pointInTime", true, "true has the wrong type; use {} for the defaults, or leave it out"],
  ["berth:backups.keepOf", 30, "30 has the wrong type; use { togather: { daily: 30, weekly: 4 } }"],
  [
    "berth:backups.drill.newest.togather",
    "SELECT max(created_at) FROM events",
    '"SELECT max(created_at) FROM events" has the wrong type; use { query: SELECT max(created_at) FROM events, maxAgeHours: 48 }',
  ],
  ["berth:backups.pointInTime.windowDays", 2.5, "2.5 is not a whole number; use 1 to 60"],
  [
    "berth:backups.pointInTime.maxWalGigabytes",
    40,
    `40 for each Postgres server of main (1), whose volume has 40 GB, is too large; use 39 or less, or a larger berth:hosts.main.volumeGigabytes. ${set("berth:backups.pointInTime.maxWalGigabytes 39")}`,
  ],
  [
    "berth:alerts.slack",
    "https://hooks.slack.com/services/canary",
    "is not true or false; its address is a secret. Set it: cat url | npx pulumi config set --secret berth:alertsSlackUrl, then true here",
  ],
  [
    "berth:alerts.pagerduty",
    true,
    "unknown key; use one of: email, slack, discord, ntfy, heartbeatMinutes, runbooks, trustedAuthorityPem, memoryPercent, diskPercent, serviceMemoryPercent, restartMinutes, certificateDays, connectionsPercent, replicationMebibytes",
  ],
  [
    "berth:alerts.email",
    "ops@example.org",
    `berth:alerts.email: "ops@example.org" has the wrong type; use { server: smtp://mail.example.org:587, from: berth@example.org, to: [ops@example.org] }
berth:alertsEmailPassword: there is no berth:alerts.email.user that it belongs to. Set that, or remove it: npx pulumi config rm berth:alertsEmailPassword --stack production`,
  ],
  [
    "berth:alerts.email.server",
    "smtp://berth:canary@mail.example.org:587",
    "has a login in it, which would be stored unencrypted; use berth:alerts.email.user, and a new password in the secret berth:alertsEmailPassword: this one was in the file",
  ],
  [
    "berth:alerts.email.server",
    "smtp://mail.example.org",
    '"smtp://mail.example.org" is not a mail server; use smtp:// (which must offer STARTTLS) or smtps://, and host and port, as in smtp://mail.example.org:587',
  ],
  [
    "berth:alerts.email.user",
    "berth:canary",
    "has a login in it, which would be stored unencrypted; use the name alone, and a new password in the secret berth:alertsEmailPassword: this one was in the file",
  ],
  [
    "berth:alerts.email.to",
    "ops@example.org",
    '"ops@example.org" has the wrong type; use a list, as in [ops@example.org]',
  ],
  [
    "berth:alerts.runbooks",
    "https://berth:canary@git.example.org/runbooks",
    "has a login in it, which would be stored unencrypted; leave it out: messages show this URL",
  ],
  [
    "berth:alerts.trustedAuthorityPem",
    key,
    "has a private key in it, which would be stored unencrypted; use the certificate alone, and a new key",
  ],
  ["berth:alerts.memoryPercent", "85%", '"85%" is not a whole number; use 1 to 99'],
  [
    "berth:alerts.certificateDays",
    30,
    `30 is too large, since hosts renew 30 days before the end; use 1 to 29. ${set("berth:alerts.certificateDays 14")}`,
  ],
  [
    "berth:alerts.replicationMebibytes",
    512,
    `512 is too small, since berth:backups.pointInTime always keeps up to that; use 513 to 4096. ${set("berth:alerts.replicationMebibytes 1024")}`,
  ],
  [
    "berth:alerts.replicationMebibytes",
    8192,
    `8192 is too large, since a server keeps no more (berth:backups.pointInTime.maxWalGigabytes: 4); use 513 to 4096. ${set("berth:alerts.replicationMebibytes 1024")}`,
  ],
  ["berth:alerts.heartbeatMinutes", "5m", '"5m" is not a whole number; use 1 to 60'],
  ["berth:hosts.main.restoreFrom", "other", '"other" is invalid; use one of: backups'],
  [
    "berth:hosts.other",
    { restoreFrom: "backups" },
    `berth:hosts.other.serverType: missing; use one of: cx22, cx23, cx32, cx33, cx42, cx43, cx52, cx53, cax11, cax21, cax31, cax41, cpx11, cpx12, cpx21, cpx22, cpx31, cpx32, cpx41, cpx42, cpx51, cpx52, cpx62, ccx13, ccx23, ccx33, ccx43, ccx53, ccx63
berth:hosts.other.location: missing; use one of: fsn1, nbg1, hel1, ash, hil, sin
berth:hosts.other.volumeGigabytes: missing; use 10 to 10240
berth:hosts.other.sshAllowedFrom: missing; use the networks that may connect, as in [203.0.113.7/32]
berth:hosts.other.edge: missing; use { kind: nginx, version: "1.28.3" }`,
  ],
  [
    "berth:hosts.main.beginEmpty",
    ["togather"],
    'berth:hosts.main.beginEmpty.0: "togather" is nothing that a host keeps; use database SERVER/NAME, redis SERVER or folder /PATH, as up names it',
  ],
  [
    "berth:hosts.main.beginEmpty",
    ["database togather_postgres"],
    'berth:hosts.main.beginEmpty.0: "database togather_postgres" is nothing that a host keeps; use database SERVER/NAME, redis SERVER or folder /PATH, as up names it',
  ],
  [
    "berth:backupsAccessKeyId",
    "AKIA EXAMPLE",
    `[secret] is invalid; use 3 to 128 letters, digits and +/=_-. It is id of the store's key for the hosts. ${put("cat key-id", "berth:backupsAccessKeyId")}`,
  ],
  [
    "berth:backupsSecretAccessKey",
    password,
    `berth:backupsPassword: [secret] is the value of berth:backupsSecretAccessKey too; each has its own. ${put("openssl rand -base64 32", "berth:backupsPassword")}`,
  ],
  [
    "berth:backupsPassword",
    "canary-too-short",
    `[secret] is invalid; use 24 to 256 printable ASCII characters without spaces. It is what backups are encrypted with; keep a copy elsewhere, no backup opens without it. ${put("openssl rand -base64 32", "berth:backupsPassword")}`,
  ],
  [
    "berth:alertsEmailPassword",
    "",
    `[secret] is invalid; use 1 to 256 printable ASCII characters without spaces. It is password of berth:alerts.email.user. ${put("cat password", "berth:alertsEmailPassword")}`,
  ],
  [
    "berth:alertsSlackUrl",
    "hooks.slack.example/canary",
    `[secret] is invalid; use https://, a host and a path, without spaces, quotes and brackets; {host} in the path is the host's name. It is incoming webhook of Slack. ${put("cat url", "berth:alertsSlackUrl")}`,
  ],
  [
    "berth:alertsNtfyUrl",
    "https://ntfy.sh",
    `[secret] is invalid; use https://, a host and a path, without spaces, quotes and brackets; {host} in the path is the host's name. It is topic of ntfy, with its server. ${put("cat url", "berth:alertsNtfyUrl")}`,
  ],
  [
    "berth:alertsNtfyUrl",
    "https://hooks.slack.example/canary",
    `[secret] is the value of berth:alertsSlackUrl too; each has its own. ${put("cat url", "berth:alertsNtfyUrl")}`,
  ],
  [
    "berth:alertsHeartbeatUrl",
    "https://beat.example/{hostname}",
    `[secret] is invalid; use https://, a host and a path, without spaces, quotes and brackets; {host} in the path is the host's name. It is URL that a host's heartbeat asks for. ${put("cat url", "berth:alertsHeartbeatUrl")}`,
  ],
  [
    "berth:alertsDiscordUrl",
    "https://discord.example/canary",
    "there is no berth:alerts.discord that it belongs to. Set that, or remove it: npx pulumi config rm berth:alertsDiscordUrl --stack production",
  ],
];

test("what the cases change is valid", () => {
  expect(problems(values)).toEqual([]);
});

test.each(cases)("%s = %j", (path, value, says) => {
  const found = problems(changedValues(values, path, value)).join("\n");
  expect(found).toBe(says.startsWith("berth:") ? says : `${path}: ${says}`);
  expect(found).not.toContain("canary");
});
