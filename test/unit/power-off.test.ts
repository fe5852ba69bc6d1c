import { describe, expect, test } from "vitest";
import { announcePowerOff } from "../../components/host/public-net.ts";

/** What a preview says before Hetzner's provider pulls a server's plug. */

const server = { serverType: "cx23", publicNets: [{ ipv4Enabled: true, ipv4: 1, ipv6Enabled: false }] };

async function said(changes: object): Promise<string[]> {
  const warnings: string[] = [];
  const hook = announcePowerOff("main", async (message) => void warnings.push(message));
  await hook({
    ...{ name: "main-server", urn: "urn", id: "1", type: "hcloud:index/server:Server" },
    ...{ oldInputs: server, newInputs: { ...server, ...changes } },
  });
  return warnings;
}

describe("a server", () => {
  test("that gets another type or other addresses is powered off, and the preview says why", async () => {
    expect(await said({ serverType: "cx33" })).toEqual([
      expect.stringMatching(
        /^main: main-server is powered off .*because it becomes a cx33 instead of a cx23: /,
      ),
    ]);
    const publicNets = [{ ipv4Enabled: true, ipv4: 1, ipv6Enabled: true, ipv6: 2 }];
    expect(await said({ publicNets })).toEqual([expect.stringContaining("because its addresses change: ")]);
    expect((await said({ publicNets, serverType: "cx33" }))[0]).toContain("change and it becomes a cx33");
  });

  test("whose labels change runs on", async () => expect(await said({ labels: { a: "b" } })).toEqual([]));
});
