import { expect, test } from "vitest";
import { z } from "zod";
import { defineSystem } from "../../components/declaration.ts";
import { electricSettings } from "../../stacks/electric.ts";
import { completeConfig } from "../program/committed-config.ts";
import { changedValues, problemsOf } from "./changed-config.ts";

/** The catalogue of bad input, Sertantai's own part: production's file with one value changed, and what is said. */

const { values, secretKeys } = completeConfig("production", ["sertantai"]);
const problemsWith = (path: string, value: unknown) =>
  problemsOf(changedValues(values, path, value), secretKeys);

const electric = "sertantai:electric";
const backend = "sertantai:backend";
const remove = (of: string, name: string) =>
  `Remove it: npx pulumi config rm --path ${of}.environment.${name}`;
const cases: [path: string, value: unknown, says: string][] = [
  [
    "sertantai:backendSecretKeyBase",
    "canary".padEnd(63, "k"),
    "sertantai:backendSecretKeyBase: [secret] has 63 characters, needs at least 64. Set it: openssl rand -base64 64 | npx pulumi config set --secret sertantai:backendSecretKeyBase",
  ],
  [
    "sertantai:authSecretKeyBase",
    "canary-short",
    "sertantai:authSecretKeyBase: [secret] has 12 characters, needs at least 64",
  ],
  [
    "sertantai:electricSecret",
    Buffer.from("canary-electric").toString("base64"),
    "sertantai:electricSecret: [secret] has 15 bytes, needs at least 32. Set it: openssl rand -base64 32",
  ],
  [
    "sertantai:enforcementGithubClientSecret",
    "canary-short",
    "sertantai:enforcementGithubClientSecret: [secret] has 12 characters, needs at least 20. Set it: cat value.txt | ",
  ],
  [
    `${electric}.environment.ELECTRIC_SLOT_NAME`,
    "electric_slot_legal",
    `is not read by ElectricSQL since 1.4, which names slot and publication by its stream; leave it out. ${remove(electric, "ELECTRIC_SLOT_NAME")}`,
  ],
  [
    `${electric}.environment.ELECTRIC_PUBLICATION_NAME`,
    "electric_publication_legal",
    `is not read by ElectricSQL since 1.4, which names slot and publication by its stream; leave it out. ${remove(electric, "ELECTRIC_PUBLICATION_NAME")}`,
  ],
  [
    `${electric}.environment.ELECTRIC_REPLICATION_STREAM_ID`,
    "legal",
    `follows ${electric}.streamId, which is what to set. ${remove(electric, "ELECTRIC_REPLICATION_STREAM_ID")}`,
  ],
  [
    `${electric}.environment.ELECTRIC_INSECURE`,
    "true",
    `lets everybody read every table without ELECTRIC_SECRET; leave it out. ${remove(electric, "ELECTRIC_INSECURE")}`,
  ],
  [
    `${electric}.environment.HTTP_PORT`,
    "3000",
    `is not read by ElectricSQL since 1.0, whose port follows the setting port; leave it out. ${remove(electric, "HTTP_PORT")}`,
  ],
  [`${electric}.environment.ELECTRIC_SECRET`, "canary", "is the secret sertantai:electricSecret. "],
  [
    `${electric}.streamId`,
    "sertantai-legal",
    `${electric}.streamId: "sertantai-legal" is invalid; use lower-case letters, digits and _, as in legal`,
  ],
  [`${electric}.streamId`, "Legal", `${electric}.streamId: "Legal" is invalid; use lower-case letters`],
  [
    `${electric}.replicas`,
    2,
    `${electric}.replicas: 2 is too many: one task holds the replication slot and the others would wait for it; use 1`,
  ],
  [
    `${backend}.environment.DATABASE_URL`,
    "ecto://postgres:canary@localhost/legal",
    `is a secret that Berth makes. ${remove(backend, "DATABASE_URL")}`,
  ],
  [`${backend}.environment.SECRET_KEY_BASE`, "canary", "is the secret sertantai:backendSecretKeyBase. "],
  [`${backend}.environment.ELECTRIC_SECRET`, "canary", "is the secret sertantai:electricSecret. "],
  [
    `${backend}.environment.ELECTRIC_URL`,
    "http://localhost:3000",
    "is set by Berth, to ElectricSQL on the system's network; leave it out. ",
  ],
  [
    `${backend}.environment.AUTH_URL`,
    "http://localhost:4001",
    `follows sertantai:auth.domain; leave it out. ${remove(backend, "AUTH_URL")}`,
  ],
  [
    `${backend}.environment.PHX_HOST`,
    "legal.sertantai.com",
    `follows berth:domain, which is what to set. ${remove(backend, "PHX_HOST")}`,
  ],
  [`${backend}.environment.PHX_SERVER`, "false", "is set by Berth; leave it out. "],
  [
    `${backend}.databaseTls`,
    "verify-full",
    `${backend}.databaseTls: "verify-full" is invalid; use one of: require, verify-ca`,
  ],
  [
    `${backend}.version`,
    "latest",
    `${backend}.version: "latest" of sertantai/backend has no digest, and production deploys images only by digest`,
  ],
  ["sertantai:auth.domain", "https://auth.sertantai.com", "sertantai:auth.domain: "],
  ["sertantai:auth.domain", "auth.elsewhere.example", "is in none of the zones of berth:dns"],
  ["sertantai:auth.domain", "legal.sertantai.com", "legal.sertantai.com/"],
  ["sertantai:limits.bodyMebibytes", 2000, "sertantai:limits.bodyMebibytes: 2000 is too large"],
  ["sertantai:postgres.version", "", "sertantai:postgres.version: "],
];

test("the file itself is taken, and a key of 64 characters", () => {
  expect(problemsWith(`${backend}.replicas`, 2)).toEqual([]);
  expect(problemsWith("sertantai:backendSecretKeyBase", "k".repeat(64))).toEqual([]);
});

test.each(cases)("%s = %j", (path, value, says) => {
  const problems = problemsWith(path, value);
  expect(problems.join("\n")).toContain(says);
  // A secret's value is never repeated.
  if (says.includes("secret")) expect(problems.join()).not.toContain(String(value));
});

test("two servers of one stream are refused, each with the other's name", () => {
  const server = (streamId: string) =>
    electricSettings({ image: "twins/electric", memoryMebibytes: 64, secret: "electricSecret", streamId });
  const twins = defineSystem({
    name: "twins",
    secrets: { electricSecret: { description: "ELECTRIC_SECRET", format: { kind: "hex", bytes: 32 } } },
    settings: { one: server("legal"), two: server("enforcement") },
    routes: () => ({}),
    build: () => ({ services: {}, healthUrl: "" }),
  });
  const settings = (streamId: string) => ({ one: { version: "1.4.0" }, two: { version: "1.4.0", streamId } });
  expect(twins.settings.safeParse(settings("enforcement")).success).toBe(true);
  const { error } = twins.settings.safeParse(settings("legal"));
  const said = error === undefined ? "" : z.prettifyError(error);
  expect(said).toContain(
    "is twins:two's too, and two servers would wait for one replication slot, electric_slot_legal; use another one",
  );
  expect(said).toContain("is twins:one's too");
});
