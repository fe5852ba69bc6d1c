import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { hostPaths } from "../../components/host/paths.ts";
import type { HostAccess } from "../../ops/host-access.ts";
import { readHostFacts } from "../../ops/host-facts.ts";
import { runOnHost } from "./host-script.ts";

/** What a host is asked, in a real shell, with real certificates. */
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "berth-facts-"));
  mkdirSync(join(folder, "tls"));
  for (const [name, subject, days] of [
    ["a.example", "/CN=a.example", "20"],
    ["b.example", "/CN=no certificate yet", "3650"],
  ] as const) {
    const made = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    const pem = execFileSync("openssl", [...made, "-subj", subject, "-days", days, "-keyout", "-"], {
      stdio: "pipe",
    });
    writeFileSync(join(folder, "tls", `${name}.pem`), pem);
  }
  writeFileSync(join(folder, "tls", "broken.pem"), "no certificate");
});
afterAll(() => rmSync(folder, { recursive: true }));

test("disks, memory with the limits of two services, and certificates are read; a broken file hides no other", async () => {
  const programs = {
    systemctl: 'echo "Thu 2026-11-26 10:00:00 UTC"',
    docker:
      'case "$2" in ls) printf "one\\ntwo\\nthree\\n" ;; inspect) printf "268435456/2\\n536870912/1\\n/1\\n" ;; esac',
  };
  const access = {
    provider: "main-docker",
    run: async (script: string) =>
      runOnHost(folder, programs, {}, script.replaceAll(hostPaths.edge, folder)).stdout,
  } as unknown as HostAccess;
  const { disks, memory, certificates, dockerRestart } = await readHostFacts(access);
  expect(disks[0]).toMatchObject({ host: "main", mountPoint: "/" });
  expect(memory).toEqual([
    {
      host: "main",
      sizeMebibytes: expect.any(Number),
      usedMebibytes: expect.any(Number),
      limitsMebibytes: 1024,
    },
  ]);
  expect(memory[0]?.sizeMebibytes).toBeGreaterThan(memory[0]?.usedMebibytes ?? 0);
  expect(certificates.map(({ domain }) => domain)).toEqual(["a.example", "b.example"]);
  expect(certificates[1]).not.toHaveProperty("expires");
  const days = (Date.parse(certificates[0]?.expires ?? "") - Date.now()) / 86_400_000;
  expect(days).toBeGreaterThan(19);
  expect(days).toBeLessThanOrEqual(20);
  expect(dockerRestart).toBe(false);
});
