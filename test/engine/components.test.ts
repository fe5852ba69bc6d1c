import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { relativeName } from "../../components/dns/records.ts";
import { renderMain } from "../../components/edge/nginx/render-main.ts";
import { cloudInit } from "../../components/host/cloud-init.ts";
import { shellQuote } from "../../components/host/connection.ts";
import { firewallRules } from "../../components/host/firewall.ts";
import { hostFiles } from "../../components/host/host-files.ts";
import { secretProblem } from "../../components/secrets/secret.ts";

const printable = fc.string({ unit: "grapheme" }).filter((text) => !text.includes("\0"));

describe("shell quoting", () => {
  test("a shell reads back every word as it was", () => {
    fc.assert(
      fc.property(fc.array(printable, { maxLength: 4 }), (words) => {
        const script = `printf '%s\\0' ${words.map(shellQuote).join(" ")}`;
        const output = execFileSync("sh", ["-c", words.length === 0 ? ":" : script]).toString("utf8");
        expect(output.split("\0").slice(0, -1)).toEqual(words);
      }),
      { numRuns: 40 },
    );
  });
});

describe("redaction in host scripts", () => {
  const common = readFileSync(new URL("../../components/host/scripts/common.sh", import.meta.url), "utf8");
  const redact = (text: string) =>
    execFileSync("bash", ["-c", `${common}\nredact`], { input: text }).toString("utf8");

  test.each([
    ["DATABASE_URL=postgresql://u:p4ss@h/d", "p4ss"],
    ["connect to postgresql://togather:hunter2@togather_postgres:5432/togather failed", "hunter2"],
    ['{"JWT_SECRET":"s3cr3t-value"}', "s3cr3t-value"],
    ["ADMIN_API_KEY: abcdef0123", "abcdef0123"],
    ["user=a password=letmein host=b", "letmein"],
    ["Authorization: Bearer eyJhbGciOi.xyz", "eyJhbGciOi"],
    ['{"headers":{"authorization":"Bearer eyJhbGciOi.xyz"}}', "eyJhbGciOi"],
    // A log line in JSON that quotes one: its quotes are escaped.
    [String.raw`{"msg":"got {\"password\":\"letmein\",\"JWT_SECRET\":\"s3cr3t\"}"}`, "letmein"],
    [String.raw`{"msg":"got {\"password\":\"letmein\",\"JWT_SECRET\":\"s3cr3t\"}"}`, "s3cr3t"],
    ["redis://:hunter2@togather_redis:6379", "hunter2"],
  ])("%s", (line, secret) => {
    expect(redact(line)).not.toContain(secret);
    expect(redact(line)).toContain("***REDACTED***");
  });

  test("for any value, in every form that the seed names", () => {
    const value = fc.stringMatching(/^[A-Za-z0-9+/=._~-]{8,40}$/);
    const form = fc.constantFrom(
      (text: string) => `DATABASE_URL=${text}`,
      (text: string) => `JWT_SECRET=${text} next`,
      (text: string) => `ADMIN_API_KEY="${text}"`,
      (text: string) => `x password=${text}, y`,
      (text: string) => `Authorization: Bearer ${text}`,
      (text: string) => JSON.stringify({ message: JSON.stringify({ PASSWORD: text }) }),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(form, value), { minLength: 1, maxLength: 8 }), (lines) => {
        const redacted = redact(`${lines.map(([write, text]) => write(text)).join("\n")}\n`).split("\n");
        lines.forEach(([, text], index) => {
          expect(redacted[index]).not.toContain(text);
          expect(redacted[index]).toContain("***REDACTED***");
        });
      }),
      { numRuns: 40 },
    );
  });

  test("does not change other text", () => {
    const line = '{"level":"INFO","message":"listening on port 8080 at http://0.0.0.0:8080/health"}\n';
    expect(redact(line)).toBe(line);
  });
});

describe("secret formats", () => {
  test.each([
    ["a".repeat(32), undefined],
    ["a".repeat(31), "has 31 characters, needs exactly 32"],
    ["a".repeat(33), "has 33 characters, needs exactly 32"],
    [`${"a".repeat(31)}-`, "has characters other than letters and digits"],
  ])("of exact length: %s", (value, problem) => {
    expect(secretProblem({ kind: "characters", length: 32 }, value)).toBe(problem);
  });

  test("accept the output of the suggested commands and refuse shorter values", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 64 }), (bytes) => {
        const value = randomBytes(bytes);
        expect(secretProblem({ kind: "base64", bytes }, value.toString("base64"))).toBeUndefined();
        expect(secretProblem({ kind: "hex", bytes }, value.toString("hex"))).toBeUndefined();
        expect(secretProblem({ kind: "base64", bytes: bytes + 1 }, value.toString("base64"))).toMatch(/^has/);
        expect(secretProblem({ kind: "hex", bytes: bytes + 1 }, value.toString("hex"))).toMatch(/^has/);
      }),
    );
  });
});

describe("cloud-init", () => {
  const rendered = cloudInit({
    image: "debian-13",
    authorizedKeys: ["ssh-ed25519 AAAAone a@b"],
    hostKeyPrivate: "-----BEGIN OPENSSH PRIVATE KEY-----\nx\n-----END OPENSSH PRIVATE KEY-----\n",
    hostKeyPublic: "ssh-ed25519 AAAAhost",
    sshPorts: [666],
    sshAllowedFrom: ["203.0.113.0/24"],
    ipv6: false,
  });
  const document = parse(rendered) as {
    users: { ssh_authorized_keys: string[] }[];
    ssh_keys: Record<string, string>;
    write_files: { path: string; content: string }[];
    packages: string[];
  };

  test("is a cloud-config with the handed-over host key and the deploy user's key", () => {
    expect(rendered.startsWith("#cloud-config\n")).toBe(true);
    expect(document.ssh_keys.ed25519_public).toBe("ssh-ed25519 AAAAhost");
    expect(document.users[0]?.ssh_authorized_keys).toEqual(["ssh-ed25519 AAAAone a@b"]);
  });

  test("containers log to the journal with their names, and the journal is limited in size and not in rate", () => {
    const content = (path: string) => document.write_files.find((file) => file.path === path)?.content ?? "";
    const daemon = JSON.parse(content("/etc/docker/daemon.json")) as Record<string, Record<string, string>>;
    expect(daemon["log-driver"]).toBe("journald");
    expect(daemon["log-opts"]?.labels?.split(",")).toEqual(
      expect.arrayContaining(["berth.system", "berth.role", "com.docker.swarm.service.name"]),
    );
    const journal = content("/etc/systemd/journald.conf.d/berth.conf");
    expect(journal).toContain("Storage=persistent\n");
    expect(journal).toMatch(/SystemMaxUse=\d+G\n/);
    // 200 requests a second, each a line of the edge and one of the app, ten times over.
    expect(Number(/RateLimitBurst=(\d+)/.exec(journal)?.[1])).toBeGreaterThanOrEqual(10 * 2 * 200 * 30);
  });

  test("where the edge answers over IPv6, its jail counts and bans networks, and what may deploy is whole clients", () => {
    const files = hostFiles({ sshPorts: [22], sshAllowedFrom: ["2001:db8:1:2::7/128"], ipv6: true });
    const filter = files["/etc/fail2ban/filter.d/berth-edge.conf"]?.content;
    expect(filter).toContain('"status":4\\d\\d,"network":"<SUBNET>",');
    const jails = files["/etc/fail2ban/jail.d/berth.conf"]?.content;
    expect(jails).toContain("ignoreip = 127.0.0.1/8 ::1 172.16.0.0/12 2001:db8:1:2::/64\n");
  });

  test("a ban closes SSH or the edge's ports, and never the edge for addresses that may deploy", () => {
    const fileAt = (path: string) => document.write_files.find((one) => one.path === path)?.content;
    const jails = fileAt("/etc/fail2ban/jail.d/berth.conf");
    const [, sshd = "", edge = ""] = jails?.split(/^(?=\[(?:sshd|berth-edge)\])/m) ?? [];
    expect(sshd).toMatch(/chain=INPUT, port="%\(port\)s"/);
    expect(sshd).not.toContain("DOCKER-USER");
    expect(edge).toContain("chain=DOCKER-USER, protocol=all");
    expect(edge).not.toContain("INPUT");
    expect(edge).toContain("ignoreip = 127.0.0.1/8 ::1 172.16.0.0/12 203.0.113.0/24\n");
    expect(jails).toContain("[sshd]\nenabled = true\nport = 666\n");
    expect(jails).toContain("[berth-edge]\nenabled = true\n");
    expect(fileAt("/etc/fail2ban/filter.d/berth-edge.conf")).toContain("BERTH_ROLE=edge PRIORITY=3");
    expect(fileAt("/etc/systemd/system/fail2ban.service.d/berth.conf")).toContain("After=docker.service");
  });

  // The jail's expression relies on how a line of the access log begins.
  test("the edge's jail matches the edge's refusals, and no client can forge such a line", () => {
    const filter = document.write_files.find(({ path }) => path.endsWith("berth-edge.conf"))?.content ?? "";
    const expression = new RegExp(
      (/failregex = (.*)/.exec(filter)?.[1] ?? "").replace("<ADDR>", "(?<address>[0-9a-f.:]+)"),
    );
    expect(renderMain(30)).toContain(
      `log_format berth escape=json '{"time":"$time_iso8601","client":"$remote_addr","status":$status,`,
    );
    const line = (status: number, path: string) =>
      `main edge_nginx-1.1.x: {"time":"2026-01-28T14:30:22+00:00","client":"198.51.100.7","status":${status},"path":${JSON.stringify(path)}}`;
    expect(expression.exec(line(403, "/"))?.groups?.address).toBe("198.51.100.7");
    expect(expression.exec(line(401, "/"))).not.toBeNull();
    expect(expression.exec(line(200, "/"))).toBeNull();
    const forged = line(403, "/").slice(line(403, "/").indexOf("{")).replace("198.51.100.7", "203.0.113.9");
    expect(expression.exec(line(200, `x y: ${forged}`))).toBeNull();
  });

  test("sshd listens on the configured port and accepts only keys", () => {
    const sshd = document.write_files.find(({ path }) => path.includes("sshd_config.d"))?.content;
    expect(sshd).toContain("Port 666\n");
    expect(sshd).toContain("PasswordAuthentication no\n");
    expect(sshd).toContain("PermitRootLogin no\n");
  });
});

test("a record's name is relative to its zone", () => {
  const label = fc.stringMatching(/^[a-z]{1,8}$/);
  fc.assert(
    fc.property(fc.array(label, { minLength: 1, maxLength: 3 }), label, (labels, top) => {
      const zone = `${top}.example`;
      expect(relativeName(zone, zone)).toBe("@");
      expect(`${relativeName(`${labels.join(".")}.${zone}`, zone)}.${zone}`).toBe(
        `${labels.join(".")}.${zone}`,
      );
    }),
  );
});

test("the firewall opens SSH to the named networks, 80 and 443 to all, nothing else", () => {
  const rules = firewallRules({ sshPort: 666, sshAllowedFrom: ["203.0.113.7/32"] });
  expect(rules.map(({ port, sourceIps }) => [port, sourceIps])).toEqual([
    ["666", ["203.0.113.7/32"]],
    ["80", ["0.0.0.0/0", "::/0"]],
    ["443", ["0.0.0.0/0", "::/0"]],
  ]);
});
