import { mkdirSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ServerTypeFile, serverTypeFile, soldIn } from "../../components/host/server-types.ts";
import { Cloud } from "../../ops/cloud.ts";
import { readServerTypes, writeServerTypes } from "../../ops/server-types.ts";
import { startCloud, type TestCloud, token } from "./cloud-recording.ts";

/** The lab's cloud serves the committed file in the API's form, so reading from it must give the file again. */
describe("the file of server types", () => {
  let cloud: TestCloud;
  beforeAll(async () => {
    cloud = await startCloud();
  });
  afterAll(() => cloud.close());
  const read = (before: ServerTypeFile) =>
    readServerTypes(new Cloud({ endpoint: cloud.url, token }), before, new Date("2026-12-24T12:00:00Z"));

  test("equals what is read from the API", async () => {
    const { source, date, ...facts } = await read({ ...serverTypeFile, locations: {}, serverTypes: {} });
    expect(date).toBe("2026-12-24");
    expect(source).toContain("GET /v1/server_types");
    expect(facts).toEqual({ locations: serverTypeFile.locations, serverTypes: serverTypeFile.serverTypes });
  });

  test("keeps types that the API no longer lists, and reports new and changed ones", async () => {
    const { cx23, ...others } = serverTypeFile.serverTypes;
    const gone = { ...cx23, cores: 1 };
    const before = {
      ...serverTypeFile,
      serverTypes: { ...others, cx11: gone, cx33: { ...others.cx33, monthlyEuros: { fsn1: 1 } } },
    };
    const after = await read(before);
    expect(after.serverTypes.cx11).toEqual(gone);
    const folder = mkdtempSync(join(tmpdir(), "server-types-"));
    mkdirSync(join(folder, "components/host"), { recursive: true });
    const lines = writeServerTypes(folder, before, after).split("\n");
    expect(lines.map((line) => line.replace(/ \{.*/, ""))).toEqual([
      `${Object.keys(after.serverTypes).length} server types of 2026-12-24`,
      "changed: cx33",
      "new: cx23",
    ]);
    expect(JSON.parse(readFileSync(join(folder, "components/host/server-types.json"), "utf8"))).toEqual(
      after,
    );
  });

  test("knows the regular AMD types of 2025 and where they are sold", () => {
    expect(serverTypeFile.serverTypes.cpx32).toMatchObject({
      architecture: "x86",
      cores: 4,
      memoryGibibytes: 8,
      diskGigabytes: 160,
    });
    expect(soldIn("cpx12")).toEqual(["fsn1", "nbg1", "hel1", "sin"]);
    expect(soldIn("cax21")).toEqual(["fsn1", "nbg1", "hel1"]);
    expect(serverTypeFile.serverTypes.cax21.architecture).toBe("arm");
  });
});
