import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  majorVersion,
  majorVersionLabel,
  refuseOtherMajorVersion,
} from "../../components/data/postgres-version.ts";
import { dataDirectory } from "../../components/data/stateful.ts";

const inputs = (version: string) => ({
  labels: [{ label: "berth.stack", value: "production" }, majorVersionLabel(version)],
});
const hook = (oldInputs: object, newInputs: object, upgradeFrom?: string) => () =>
  refuseOtherMajorVersion(upgradeFrom)({
    urn: "urn",
    id: "id",
    name: "togather_postgres",
    type: "t",
    oldInputs,
    newInputs,
  });

describe("the major version of a Postgres server", () => {
  test.each([
    ["16", "16"],
    ["16.4", "16"],
    ["16-3.5-alpine", "16"],
    ["v17.2", "17"],
    ["latest", undefined],
    ["pg16", undefined],
    ["16beta", undefined],
  ])("%s is %s", (version, major) => expect(majorVersion(version)).toBe(major));

  test("another one is refused before the update, with instructions", () => {
    expect(hook(inputs("16.4"), inputs("17"))).toThrow(
      'togather_postgres runs PostgreSQL 16 and the configuration names 17, which cannot open its data. Allowed: a version of 16. To move to 17: docs/runbooks/database.md, "A new major version"',
    );
    expect(hook(inputs("17"), inputs("16"))).toThrow("Allowed: a version of 17");
  });

  test("an acknowledged upgrade is accepted, and no other", () => {
    expect(hook(inputs("16"), inputs("17"), "16")).not.toThrow();
    expect(hook(inputs("15"), inputs("17"), "16")).toThrow("runs PostgreSQL 15");
  });

  test("any minor version is accepted, and a tag without a version is checked by the host", () => {
    const minor = fc.nat({ max: 99 });
    fc.assert(
      fc.property(fc.integer({ min: 10, max: 30 }), minor, minor, (major, from, to) => {
        expect(hook(inputs(`${major}.${from}`), inputs(`${major}.${to}`))).not.toThrow();
      }),
    );
    expect(hook(inputs("latest"), inputs("17"))).not.toThrow();
    expect(hook({ labels: [] }, inputs("17"))).not.toThrow();
    expect(hook({}, inputs("17"))).not.toThrow();
  });
});

describe("the data folder of a Postgres server", () => {
  test("is unchanged for the first one, and two servers of a system never share one", () => {
    expect(dataDirectory("togather", "togather_postgres")).toBe("/mnt/data/togather/postgres");
    expect(dataDirectory("togather", "togather_search")).toBe("/mnt/data/togather/search");
  });

  test("is refused where the name is not the system's", () => {
    expect(() => dataDirectory("togather", "mfa_postgres")).toThrow(
      'a service of togather that keeps data is called togather_<name>, not "mfa_postgres"',
    );
  });
});
