import { execFile, spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { dockerCheck, type Health, type HttpHealth } from "../../components/health.ts";
import { shellQuote } from "../../components/host/connection.ts";
import { healthParameters } from "../../components/release/probe.ts";

const http: HttpHealth = { port: 8080, path: "/health" };

describe("Docker's check follows from the health declaration", () => {
  test.each([
    ["wget", ["CMD", "wget", "--quiet", "--tries=1", "--spider", "http://127.0.0.1:8080/health"]],
    [
      "curl",
      ["CMD", "curl", "--fail", "--silent", "--show-error", "--output", "/dev/null"].concat(
        "http://127.0.0.1:8080/health",
      ),
    ],
    ["none", ["NONE"]],
  ] as const)("with %s", (tool, expected) => {
    expect(dockerCheck({ tool, http })).toEqual(expected);
  });

  test("without HTTP", () => {
    expect(dockerCheck({ tool: "pg_isready", user: "postgres" })).toEqual(
      ["CMD", "pg_isready", "--quiet", "--host", "127.0.0.1"].concat("--username", "postgres"),
    );
    expect(dockerCheck({ tool: "command", command: ["test", "-e", "/tmp/alive"] })).toEqual(
      ["CMD", "test"].concat("-e", "/tmp/alive"),
    );
  });

  test("a status that the tool treats as a failure is refused, with the suitable tools", () => {
    const odd = { ...http, status: [200, 401, 503] };
    for (const tool of ["wget", "curl"] as const) {
      expect(() => dockerCheck({ tool, http: odd })).toThrow(
        `health of /health: ${tool} takes 200 to 299 for healthy, not 401, 503; use the tool "node", or "none" to leave it to the probe`,
      );
    }
    expect(() => dockerCheck({ tool: "curl", http: { ...http, status: 204 } })).not.toThrow();
    expect(() => dockerCheck({ tool: "none", http: odd })).not.toThrow();
  });

  test.each([
    [200, undefined, 0],
    [503, undefined, 1],
    [302, undefined, 1],
    [302, 302, 0],
    [503, [200, 503], 0],
  ])("node: an answer of %s where %j is healthy ends with %s", async (answer, status, code) => {
    const server = createServer((_request, response) => {
      response.writeHead(answer, { location: "/elsewhere" }).end("x".repeat(100_000));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const checked = { ...http, port, ...(status === undefined ? {} : { status }) };
    const [, , ...args] = dockerCheck({ tool: "node", http: checked });
    const ended = await new Promise((resolve) => {
      execFile(process.execPath, args, (error) => resolve(error === null ? 0 : error.code));
    });
    server.close();
    expect(ended).toBe(code);
  });
});

/** The real script in a real bash; Docker is replaced by a script that answers from the environment. */
describe("the probe", () => {
  const script = (path: string) => readFileSync(new URL(`../../components/${path}`, import.meta.url), "utf8");
  const scripts = ["host/scripts/common.sh", "release/scripts/slots.sh", "release/scripts/probe.sh"].map(
    script,
  );
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "berth-probe-"));
    const docker = `#!/bin/bash
case "$*" in
  "ps --quiet --filter label=berth.role=edge"*) printf '%s' "$EDGE" ;;
  "ps --quiet"*) echo task-1 ;;
  "inspect --format {{range"*) echo edge-network ;;
  "inspect --format {{with .State.Health"*) echo "$HEALTH" ;;
  "inspect task-1") echo '[{"NetworkSettings":{"Networks":{"edge":{"NetworkID":"edge-network","IPAddress":"10.0.1.7"}}}}]' ;;
  "exec edge-1 curl"*) printf '%s' "\${*: -1}" >>"$ASKED"; printf '%s\\n%s' "$BODY" "$STATUS" ;;
  "service ps"*) echo '  Running  ' ;;
esac
`;
    writeFileSync(join(folder, "docker"), docker);
    chmodSync(join(folder, "docker"), 0o755);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function probe(
    health: Health,
    answers: { readonly body?: unknown; readonly status?: number; readonly docker?: string; edge?: string },
  ) {
    const asked = join(folder, "asked");
    writeFileSync(asked, "");
    const parameters = {
      ...healthParameters(health),
      DATABASE: "",
      FOLDER: "",
      SKIP: "no",
      IMAGE: "",
      SLOT: `unit-${process.pid}`,
      REPLICAS: 1,
      GRACE_SECONDS: 1,
      ATTEMPTS: 0,
      INTERVAL_SECONDS: 1,
    };
    const assignments = Object.entries(parameters).map(
      ([name, value]) => `${name}=${shellQuote(String(value))}`,
    );
    const { body = "", status = 200, docker = "healthy", edge = "edge-1" } = answers;
    const { status: code, stderr } = spawnSync("bash", ["-s"], {
      input: `${assignments.join("\n")}\n${scripts.join("\n")}`,
      encoding: "utf8",
      env: {
        ...process.env,
        PATH: `${folder}:${process.env.PATH}`,
        ASKED: asked,
        EDGE: edge,
        HEALTH: docker,
        STATUS: String(status),
        BODY: typeof body === "string" ? body : JSON.stringify(body),
      },
    });
    const fields = stderr.split("\n").filter((line) => /^ {2}(ok|FAILED) /.test(line));
    return { code, stderr, asked: readFileSync(asked, "utf8"), fields: fields.map((line) => line.trim()) };
  }

  const nested = {
    tool: "wget",
    http: {
      ...http,
      fields: { "checks.database.status": "up", "checks.queues.1.depth": 0, ready: true },
    },
  } as const;
  const good = { ready: true, checks: { database: { status: "up" }, queues: [{ depth: 9 }, { depth: 0 }] } };

  test("any field by path, with text, numbers and booleans", () => {
    expect(probe(nested, { body: good }).code).toBe(0);
    const bad = { ready: "true", checks: { database: { status: "down" }, queues: [{ depth: 9 }] } };
    const { code, stderr, fields } = probe(nested, { body: bad });
    expect(code).toBe(1);
    expect(fields).toEqual([
      "ok      Docker's health check: healthy",
      "ok      HTTP status: 200",
      'FAILED  checks.database.status: "down", needs "up"',
      "FAILED  checks.queues.1.depth: missing, needs 0",
      'FAILED  ready: "true", needs true',
    ]);
    expect(stderr).toContain("0 of 1 tasks healthy. It takes no requests; the old slot serves.");
  });

  test("a path through a value without fields is missing", () => {
    const { fields } = probe(nested, { body: { ready: true, checks: "fine" } });
    expect(fields).toContain('FAILED  checks.database.status: missing, needs "up"');
  });

  test.each(["", "<html>", "[]", '"healthy"'])("a body that is not a JSON object, %j", (body) => {
    expect(probe(nested, { body }).fields).toContain(
      "FAILED  HTTP body: /health did not return a JSON object",
    );
  });

  test("any body when no field is required, and any of several statuses", () => {
    const plain = { tool: "none", http: { ...http, path: "/up", status: [204, 401] } } as const;
    expect(probe(plain, { body: "<html>", status: 401 })).toMatchObject({
      code: 0,
      asked: "http://10.0.1.7:8080/up",
    });
    const { code, fields } = probe(plain, { status: 200, docker: "none" });
    expect(code).toBe(1);
    expect(fields).toEqual(["FAILED  HTTP status: 200, needs 204 or 401"]);
  });

  test("without HTTP, Docker's check alone decides, and no edge is needed", () => {
    const worker = { tool: "command", command: ["test", "-e", "/tmp/alive"] } as const;
    expect(probe(worker, { edge: "" })).toMatchObject({ code: 0, asked: "" });
    const { code, fields } = probe(worker, { edge: "", docker: "starting" });
    expect(code).toBe(1);
    expect(fields).toEqual(["FAILED  Docker's health check: starting, needs healthy"]);
    expect(probe(nested, { edge: "" }).stderr).toContain("the edge is not running");
  });
});
