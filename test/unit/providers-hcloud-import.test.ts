import { describe, expect, test } from "vitest";
import type { Properties } from "../../lab/pulumi/providers/provider.ts";
import { diff, make, provider, publicKey, ref, withHcloudProvider } from "./hcloud-provider.ts";

withHcloudProvider();

describe("import", () => {
  const cases: [kind: string, args: Properties][] = [
    ["sshKey", { publicKey, labels: { a: "b" } }],
    ["primaryIp", { type: "ipv4", assigneeType: "server", location: "fsn1", autoDelete: false }],
    ["volume", { size: 10, location: "fsn1" }],
    ["zone", { name: "unit.example", mode: "primary", ttl: 300 }],
  ];
  test.each(cases)(
    "%s is imported with its properties, and keeps its name although the program sets none",
    async (kind, args) => {
      const made = await make(kind, "made", args);
      const read = await provider.read(ref(kind, "adopted"), made.id, {}, {});
      expect(read?.id).toBe(made.id);
      for (const key of Object.keys(args)) expect(read?.inputs[key], key).toEqual(made.outputs[key]);
      const adopted = { id: made.id, inputs: read?.inputs ?? {}, outputs: read?.outputs ?? {} };
      const declared = await diff(kind, "adopted", adopted, args);
      expect(declared).toMatchObject({ changes: [], replaces: [] });
    },
  );

  test("a record's id names its zone, name and type", async () => {
    await make("zone", "zone", { name: "unit.example", mode: "primary" });
    const args = { zone: "unit.example", name: "@", type: "A", records: [{ value: "198.51.100.7" }] };
    await make("zoneRrset", "record", args);
    const read = await provider.read(ref("zoneRrset", "adopted"), "unit.example/@/A", {}, {});
    expect(read).toMatchObject({ id: "@/A", inputs: args });
  });

  test("an object that does not exist is not imported", async () => {
    expect(await provider.read(ref("volume", "adopted"), "4711", {}, {})).toBeUndefined();
  });
});
