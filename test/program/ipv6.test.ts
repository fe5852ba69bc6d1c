import { describe, expect, test } from "vitest";
import { completeConfig } from "./committed-config.ts";
import { type ProgramRun, runProgram } from "./support.ts";

describe("IPv6", () => {
  const own = ["dns-togather.example-aaaa", "main-address6", "main-edge-ipv6"];
  const run = (ipv6: boolean | undefined) => {
    const { main } = JSON.parse(completeConfig("production").values["berth:hosts"] ?? "{}");
    return runProgram("production", { "berth:hosts": JSON.stringify({ main: { ...main, ipv6 } }) });
  };

  test("leads a domain there by its own record, when the edge answers", async () => {
    const { find } = await run(true);
    const record = find("hcloud:index/zoneRrset:ZoneRrset", "dns-togather.example-aaaa");
    expect(record.inputs).toMatchObject({ type: "AAAA", name: "@" });
    expect(record.dependsOn).toContain("main-edge-ipv6");
    expect(find("command:local:Command", "main-edge-ipv6").dependsOn).toContain("main-edge-ready");
    expect(find("hcloud:index/primaryIp:PrimaryIp", "main-address6").inputs).toMatchObject({ type: "ipv6" });
    expect(find("hcloud:index/server:Server", "main-server").inputs.publicNets).toMatchObject([
      { ipv4Enabled: true, ipv6Enabled: true },
    ]);
    expect(find("command:local:Command", "main-edge-certificates").dependsOn).toContain(record.name);
  });

  test("is not there unless a host asks for it", async () => {
    const without = await run(false);
    const unset = await run(undefined);
    const both = await run(true);
    expect(unset.registrations).toEqual(without.registrations);
    const names = ({ registrations }: ProgramRun) => registrations.map(({ name }) => name).toSorted();
    expect(names(both)).toEqual([...names(without), ...own].toSorted());
    const server = without.find("hcloud:index/server:Server", "main-server");
    expect(server.inputs.publicNets).toMatchObject([{ ipv4Enabled: true, ipv6Enabled: false }]);
    const inputs = JSON.stringify(without.registrations.map((each) => each.inputs));
    for (const text of ["IPV6", "ADDRESS6=", "_64:", "[::]", "ipv6Subnet", "<SUBNET>"]) {
      expect(inputs, text).not.toContain(text);
    }
  });
});
