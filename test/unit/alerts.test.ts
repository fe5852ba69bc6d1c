import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { monitrc, watchParameters } from "../../components/watch/alerts.ts";
import { alertSecrets, alertsSchema } from "../../components/watch/alerts-config.ts";
import { parseConfig } from "../../config.ts";
import type { HostAccess } from "../../ops/host-access.ts";
import { readWatch, renderWatch, type WatchStatus } from "../../ops/watch.ts";
import { policies } from "../../policy/configuration.ts";
import { systems } from "../../stacks/index.ts";
import { completeConfig } from "../program/committed-config.ts";
import { changedValues, problemsOf } from "./changed-config.ts";

const complete = completeConfig("production");
const email = {
  server: "smtp://mail.example.org:587",
  user: "berth",
  from: "a@example.org",
  to: ["b@example.org"],
};
const everything = { email, slack: true, discord: true, ntfy: true, heartbeatMinutes: 5 };
const secrets = {
  "berth:alertsEmailPassword": "canary-of-the-mail-server",
  "berth:alertsSlackUrl": "https://hooks.slack.example/canary",
  "berth:alertsDiscordUrl": "https://discord.example/canary",
  "berth:alertsNtfyUrl": "https://ntfy.example/canary",
  "berth:alertsHeartbeatUrl": "https://beat.example/canary",
};
const values = { ...complete.values, "berth:alerts": JSON.stringify(everything), ...secrets };
const secretKeys = [...complete.secretKeys, ...Object.keys(secrets)];
const problems = (input: Readonly<Record<string, string>>) => problemsOf(input, secretKeys);
const runbook = readFileSync(new URL("../../docs/runbooks/alerts.md", import.meta.url), "utf8");

describe("berth:alerts", () => {
  test("is complete with one way and its secret", () => {
    expect(problems(values)).toEqual([]);
    const slackOnly = {
      ...complete.values,
      "berth:alerts": JSON.stringify({ slack: true }),
      "berth:alertsSlackUrl": secrets["berth:alertsSlackUrl"],
    };
    expect(problems(slackOnly)).toEqual([]);
    expect(alertsSchema.parse({ slack: true })).toMatchObject({
      ...{ memoryPercent: 85, diskPercent: 80, serviceMemoryPercent: 90, restartMinutes: 15 },
      ...{
        certificateDays: 14,
        connectionsPercent: 80,
        replicationMebibytes: 1024,
        runbooks: "docs/runbooks",
      },
    });
  });

  const cases: [path: string, value: unknown, says: string][] = [
    [
      "email.server",
      "mail.example.org",
      'berth:alerts.email.server: "mail.example.org" is not a mail server; use smtp:// (which must offer STARTTLS) or smtps://, and host and port, as in smtp://mail.example.org:587',
    ],
    [
      "email.server",
      "smtp://u:p@mail.example.org",
      "berth:alerts.email.server: has a login in it, which would be stored unencrypted; use berth:alerts.email.user, and a new password in the secret berth:alertsEmailPassword: this one was in the file",
    ],
    ["email.user", "", 'berth:alerts.email.user: "" is empty; leave it out for a server without logins'],
    [
      "email.from",
      "ops",
      'berth:alerts.email.from: "ops" is not an e-mail address; use one that the server may send from',
    ],
    ["email.to", [], "berth:alerts.email.to: [] names nobody; use one address or more"],
    [
      "email.to",
      ["ops"],
      'berth:alerts.email.to.0: "ops" is not an e-mail address; use a form like ops@example.org',
    ],
    ["email.password", "x", "berth:alerts.email.password: unknown key; use one of: server, user, from, to"],
    [
      "slack",
      "https://hooks.slack.com/services/T0",
      "berth:alerts.slack: is not true or false; its address is a secret. Set it: cat url | npx pulumi config set --secret berth:alertsSlackUrl, then true here",
    ],
    ["heartbeatMinutes", 0, "berth:alerts.heartbeatMinutes: 0 is too small; use 1 to 60"],
    ["heartbeatMinutes", 90, "berth:alerts.heartbeatMinutes: 90 is too large; use 1 to 60"],
    [
      "runbooks",
      "https://git.example.org/runbooks/",
      'berth:alerts.runbooks: "https://git.example.org/runbooks/" is not where runbooks are; use a URL or a path, without a slash at its end',
    ],
    [
      "trustedAuthorityPem",
      "x",
      'berth:alerts.trustedAuthorityPem: "x" is not a PEM certificate; cat the file that holds the chain',
    ],
    ["memoryPercent", 100, "berth:alerts.memoryPercent: 100 is too large; use 1 to 99"],
    ["memoryPercent", 0.85, "berth:alerts.memoryPercent: 0.85 is not a whole number; use 1 to 99"],
    ["diskPercent", 0, "berth:alerts.diskPercent: 0 is too small; use 1 to 99"],
    [
      "serviceMemoryPercent",
      "90%",
      'berth:alerts.serviceMemoryPercent: "90%" is not a whole number; use 1 to 99',
    ],
    ["restartMinutes", 0, "berth:alerts.restartMinutes: 0 is too small; use 1 or more"],
    ["certificateDays", -1, "berth:alerts.certificateDays: -1 is too small; use 1 or more"],
    ["connectionsPercent", 120, "berth:alerts.connectionsPercent: 120 is too large; use 1 to 99"],
    ["replicationMebibytes", 0, "berth:alerts.replicationMebibytes: 0 is too small; use 1 or more"],
  ];
  test.each(cases)("%s: %j is refused", (path, value, says) => {
    expect(problems(changedValues(values, `berth:alerts.${path}`, value))).toContain(says);
  });

  test("that tells nobody is refused", () => {
    const said = problems({ ...complete.values, "berth:alerts": JSON.stringify({ diskPercent: 90 }) });
    expect(said).toEqual([
      "berth:alerts: tells nobody; use one or several of email, slack, discord, ntfy. Set it: npx pulumi config set --path berth:alerts.slack true",
    ]);
  });

  test("a secret is missing, in clear or unusable, and shows none", () => {
    const { "berth:alertsSlackUrl": _, ...without } = values;
    expect(problems(without)).toEqual([
      "berth:alertsSlackUrl: missing; incoming webhook of Slack. Set it: cat url | npx pulumi config set --secret berth:alertsSlackUrl --stack production",
    ]);
    const clear = problemsOf(values, complete.secretKeys);
    expect(clear).toHaveLength(Object.keys(alertSecrets).length);
    for (const problem of clear) expect(problem).toContain("is stored unencrypted");
    const weak = problems({ ...values, "berth:alertsNtfyUrl": "http://ntfy.example/hunter2" }).join("\n");
    expect(weak).toContain("berth:alertsNtfyUrl: [secret] is invalid; use https://, a host and a path");
    expect(weak).not.toContain("hunter2");
  });

  test("a secret of a way that is not used is refused", () => {
    const one = { ...values, "berth:alerts": JSON.stringify({ ...everything, slack: false }) };
    expect(problems(one)).toEqual([
      "berth:alertsSlackUrl: there is no berth:alerts.slack that it belongs to. Set that, or remove it: npx pulumi config rm berth:alertsSlackUrl --stack production",
    ]);
    const { "berth:alerts": _, ...none } = values;
    expect(problems(none)).toHaveLength(Object.keys(alertSecrets).length);
  });

  test("one heartbeat for two hosts is refused, one with their names is not", () => {
    const two = changedValues(
      values,
      "berth:hosts.other",
      JSON.parse(complete.values["berth:hosts"] ?? "").main,
    );
    expect(problems(two)).toContainEqual(
      expect.stringContaining("write {host} where the host's name belongs"),
    );
    const named = { ...two, "berth:alertsHeartbeatUrl": "https://beat.example/berth-{host}" };
    expect(problems(named).filter((problem) => problem.includes("Heartbeat"))).toEqual([]);
  });

  test("left out is said at each preview in one line, and so is a heartbeat", () => {
    const warnings = (input: Readonly<Record<string, string>>) =>
      parseConfig(
        { stack: "production", values: input, isSecret: (key) => secretKeys.includes(key) },
        systems,
        policies,
      ).warnings.filter((warning) => warning.startsWith("berth:alerts"));
    expect(warnings(complete.values)).toEqual([
      expect.stringMatching(/^berth:alerts: not set, so nobody is told .*$/),
    ]);
    expect(warnings(values)).toEqual([]);
    const { "berth:alertsHeartbeatUrl": _, ...silent } = values;
    const { heartbeatMinutes: __, ...rest } = everything;
    expect(warnings({ ...silent, "berth:alerts": JSON.stringify(rest) })).toEqual([
      expect.stringMatching(
        /^berth:alerts.heartbeatMinutes: not set, so nobody is told when a host itself is silent/,
      ),
    ]);
  });
});

describe("the runbook", () => {
  test("has an example that is valid, with the defaults", () => {
    const [, yaml = ""] = /```yaml\n([\s\S]*?)```/.exec(runbook) ?? [];
    const shown = parse(yaml)["berth:alerts"];
    expect(problems({ ...values, "berth:alerts": JSON.stringify(shown) })).toEqual([]);
    const { email: mail, runbooks, ...rest } = shown;
    const ways = { email: mail, slack: true, discord: true, ntfy: true, heartbeatMinutes: 5 };
    expect(alertsSchema.parse({ ...rest, email: mail })).toEqual(alertsSchema.parse(ways));
    expect(runbooks).toMatch(/^https:/);
  });

  test("has a line for each alert, which its message links", () => {
    const scripts = ["tell.jq", "checks.sh", "tell.sh"].map((name) =>
      readFileSync(new URL(`../../components/watch/scripts/${name}`, import.meta.url), "utf8"),
    );
    const [, words = ""] = /def words: \{([\s\S]*?)\};/.exec(scripts[0] ?? "") ?? [];
    const named = [...words.matchAll(/"?([a-z-]+)"?: "/g)].map((match) => match[1]);
    expect(named.length).toBeGreaterThan(9);
    for (const name of named) expect(runbook).toContain(`| <a id="${name}"></a>`);
    const raised = scripts
      .slice(1)
      .flatMap((text) => [...text.matchAll(/\bproblem ([a-z-]+) |alert: "([a-z-]+)"/g)]);
    for (const [, one, other] of raised) expect(named).toContain(one ?? other);
  });

  test("names each secret", () => {
    for (const key of Object.keys(alertSecrets)) expect(runbook).toContain(`berth:${key}`);
  });
});

describe("a host", () => {
  const config = alertsSchema.parse({ ...everything, diskPercent: 75, heartbeatMinutes: 1 });

  test("has a control file of monit with the thresholds, which opens no port", () => {
    const text = monitrc(config);
    for (const line of [
      "set daemon 60",
      "set httpd unixsocket /run/berth-watch/monit.socket permission 0600 allow localhost",
      "  if memory usage > 85 % for 5 cycles then alert",
      'check program disks with path "/usr/local/lib/berth/watch look disks" with timeout 50 seconds\n  if status != 0 for 2 cycles then alert',
      'check program certificates with path "/usr/local/lib/berth/watch look certificates" with timeout 50 seconds\n  every 10 cycles',
    ])
      expect(text).toContain(line);
    expect(text).not.toMatch(/\bport\b|mailserver|password/);
    expect(monitrc(alertsSchema.parse({ slack: true }))).not.toContain("heartbeat");
  });

  test("has no secret in its script", () => {
    const parameters = watchParameters({
      hostName: "main",
      stack: "production",
      config,
      domains: ["a.example"],
    });
    expect(parameters).toMatchObject({
      CHANNELS: "email slack discord ntfy",
      DOMAINS: "a.example",
      TRUSTS: "",
    });
    expect(JSON.stringify(parameters)).not.toContain("canary");
  });
});

describe("status", () => {
  const watch: WatchStatus = {
    ...{ host: "main", runs: true, tells: ["slack"], undelivered: null },
    alerts: [
      { alert: "disk", of: "/mnt/data", value: "88 %", threshold: "80 %", since: "2026-11-26T12:00:00Z" },
    ],
  };

  test("shows whether the watch runs, and what is wrong", () => {
    expect(renderWatch([watch])).toMatch(
      /^alerts of main: 1 wrong, told by slack\n(.*\n){2}main +disk +\/mnt\/data +88 % +80 %/,
    );
    expect(renderWatch([{ ...watch, alerts: [] }])).toBe("alerts of main: nothing is wrong, told by slack");
    expect(renderWatch([{ ...watch, runs: false }])).toContain("NOTHING LOOKS");
    expect(renderWatch([{ ...watch, undelivered: "2026-11-26T12:00:00Z" }])).toContain("NOT DELIVERED");
    expect(renderWatch([])).toContain("nobody is told");
  });

  test("asks each host, and says nothing of one without a watch", async () => {
    const { host: _, ...answer } = watch;
    const saying = (text: string) =>
      ({ provider: "main-docker", run: async () => text }) as unknown as HostAccess;
    expect(await readWatch(saying(`${JSON.stringify(answer)}\n`))).toEqual(watch);
    expect(await readWatch(saying(""))).toBeUndefined();
  });
});
