import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createLog } from "../../lab/apps/server/log.ts";
import { connectionLost } from "../../lab/apps/server/pool.ts";
import { connectionOf, readSettings } from "../../lab/apps/server/settings.ts";
import { declaration as togather } from "../../lab/apps/togather/app.ts";

test("a query is sent again when its connection is lost, not when it is wrong", () => {
  const failed = (message: string, code?: string) => Object.assign(new Error(message), { code });
  expect(connectionLost(failed("terminating connection due to administrator command", "57P01"))).toBe(true);
  expect(connectionLost(failed('database "togather" does not exist', "3D000"))).toBe(true);
  expect(connectionLost(failed("Connection terminated unexpectedly"))).toBe(true);
  expect(connectionLost(failed('relation "events" does not exist', "42P01"))).toBe(false);
  expect(connectionLost(failed("duplicate key value", "23505"))).toBe(false);
});

describe("settings", () => {
  const env = {
    DATABASE_URL: "postgresql://togather:p%40ss-canary@postgres:5432/togather",
    JWT_SECRET: "jwt-canary-0123456789",
    ADMIN_API_KEY: "admin-canary-0123456789",
  };

  test("reports all missing variables at once", () => {
    expect(() => readSettings(togather, { PORT: "0", LOG_LEVEL: "loud" })).toThrow(
      "the environment is invalid: " +
        "DATABASE_URL is missing (postgresql://user:password@host:5432/database); " +
        "JWT_SECRET is missing (key that signs tokens; openssl rand -base64 32); " +
        "ADMIN_API_KEY is missing (key of the admin endpoints; openssl rand -hex 32); " +
        'LOG_LEVEL is "loud"; use one of: debug, info, warn, error; ' +
        'PORT is "0"; use a number from 1 to 65535',
    );
  });

  test("never shows a secret's value", () => {
    const wrong = { ...env, DATABASE_URL: "mysql://u:canary-password@h/d", JWT_SECRET: "short-canary" };
    expect(() => readSettings(togather, wrong)).toThrow(/^(?!.*canary).*$/);
  });

  test("does not read files", () => {
    expect(() =>
      readSettings(togather, { ...env, JWT_SECRET: undefined, JWT_SECRET_FILE: "/run/secrets/jwt" }),
    ).toThrow("JWT_SECRET is missing");
  });

  test("secrets are redacted in the log, also inside other text", () => {
    const lines: string[] = [];
    const log = createLog("info", readSettings(togather, env).secrets, (line) => lines.push(line));
    log.error(`cannot reach ${env.DATABASE_URL}`, {
      key: env.JWT_SECRET,
      list: [`p@ss-canary ${env.ADMIN_API_KEY}`],
    });
    log.debug("not at this level");
    expect(lines).toHaveLength(1);
    expect(lines[0]).not.toContain("canary");
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({ level: "error", msg: "cannot reach ***REDACTED***" });
  });
});

describe("variables", () => {
  const read = (variables: Parameters<typeof readSettings>[0]["variables"], env: Record<string, string>) =>
    readSettings({ variables }, env);

  test("a secret may come from a file; the error names a file that cannot be read", () => {
    const variables = { KEY: { is: "key", secret: true, file: true } } as const;
    const folder = mkdtempSync(join(tmpdir(), "berth-apps-"));
    try {
      const path = join(folder, "key");
      writeFileSync(path, "canary-value\n");
      expect(read(variables, { KEY_FILE: path })).toMatchObject({
        values: { KEY: "canary-value" },
        secrets: ["canary-value"],
      });
      writeFileSync(path, "\n");
      expect(() => read(variables, { KEY_FILE: path })).toThrow(`KEY_FILE: ${path} is empty (key)`);
      expect(() => read(variables, { KEY_FILE: "/nowhere" })).toThrow(
        "KEY_FILE: /nowhere cannot be read (ENOENT)",
      );
      expect(() => read(variables, {})).toThrow("KEY or KEY_FILE is missing (key)");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("defaults, optional ones, and every kind of rule", () => {
    const variables = {
      A: { is: "a", default: "x" },
      B: { is: "b", optional: true },
      C: { is: "c", oneOf: ["one", "two"] },
      D: { is: "https://a.example", url: ["https"] },
      E: { is: "e", secret: true, pattern: { text: "[0-9]{4}", says: "four digits" } },
    } as const;
    const env = { C: "one", D: "https://b.example", E: "1234" };
    expect(read(variables, env).values).toEqual({ A: "x", ...env });
    expect(() => read(variables, { C: "three", D: "http://b.example", E: "canary" })).toThrow(
      'C is "three"; use one of: one, two; D is not a URL of the form https://a.example; E is not four digits',
    );
  });

  test("a database's address is a URL or its parts", () => {
    const values = { H: "db", P: "5433", U: "me", W: "pw", N: "app", URL: "postgresql://me@db/app" };
    expect(connectionOf({ connection: { url: "URL" } }, values)).toEqual({ connectionString: values.URL });
    const parts = { host: "H", port: "P", user: "U", password: "W", name: "N" };
    expect(connectionOf({ connection: parts }, values)).toEqual({
      ...{ host: "db", port: 5433, user: "me", password: "pw", database: "app" },
    });
  });
});
