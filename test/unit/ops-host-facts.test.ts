import { describe, expect, test } from "vitest";
import type { HostAccess } from "../../ops/host-access.ts";
import { readHostFacts, renderCertificates, renderDisks, renderMemory } from "../../ops/host-facts.ts";

/** How `ops status` reports a host's disks and Docker's settings; the host's output is given. */

const host = (answer: string) =>
  ({ provider: "main-docker", run: async () => answer }) as unknown as HostAccess;

describe("a host's disks", () => {
  test("are shown; one below the minimum is full, with the command that shows what uses it", async () => {
    const { disks } = await readHostFacts(host("/ 81920 512\n/mnt/data 40960 30720\n"));
    expect(disks).toEqual([
      { host: "main", mountPoint: "/", sizeMebibytes: 81920, freeMebibytes: 512 },
      { host: "main", mountPoint: "/mnt/data", sizeMebibytes: 40960, freeMebibytes: 30720 },
    ]);
    const [, , root, data] = renderDisks(disks).split("\n");
    expect(root).toContain("80.0 GiB  512 MiB: FULL, snapshots need 1024 MiB. What takes it: sudo du");
    expect(data).toMatch(/40\.0 GiB {2}30\.0 GiB$/);
  });

  test.each([
    ["/ 81920 51200\n", false],
    ["/ 81920 51200\nrestart\n", true],
  ])("Docker waits for its restart: %j", async (answer, waits) => {
    expect(await readHostFacts(host(answer))).toMatchObject({ host: "main", dockerRestart: waits });
  });
});

test("memory in use and what the services may take, against what the host has", async () => {
  const { memory } = await readHostFacts(host("/ 81920 51200\nmemory 3814 1200 2560\n"));
  expect(memory).toEqual([{ host: "main", sizeMebibytes: 3814, usedMebibytes: 1200, limitsMebibytes: 2560 }]);
  expect(renderMemory(memory)).toMatch(/main +3814 MiB +1200 MiB +2560 MiB/);
  expect((await readHostFacts(host("/ 81920 51200\n"))).memory).toEqual([]);
});

test("certificates with their end, the one that an edge starts with, and one that was not renewed", async () => {
  const said =
    "certificate a.example 2026-12-01T00:00:00Z\ncertificate b.example none\ncertificate c.example 2027-02-20T00:00:00Z\n";
  const { certificates } = await readHostFacts(host(said));
  expect(certificates).toEqual([
    { host: "main", domain: "a.example", expires: "2026-12-01T00:00:00Z" },
    { host: "main", domain: "b.example" },
    { host: "main", domain: "c.example", expires: "2027-02-20T00:00:00Z" },
  ]);
  const [, , soon, none, later] = renderCertificates(certificates, new Date("2026-11-26T00:00:00Z")).split(
    "\n",
  );
  expect(soon).toContain("in 5 days, 2026-12-01T00:00:00Z: SOON");
  expect(none).toContain("there is none yet");
  expect(later).toMatch(/in 86 days, 2027-02-20T00:00:00Z$/);
});
