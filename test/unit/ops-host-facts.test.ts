import { describe, expect, test } from "vitest";
import type { HostAccess } from "../../ops/host-access.ts";
import { readHostFacts, renderDisks } from "../../ops/host-facts.ts";

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
