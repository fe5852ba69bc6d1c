/** The lab's providers against what the real plugins did: test/contracts/README.md. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { isAccepted, said } from "../contracts/accepted.ts";
import { openBackend } from "../contracts/backends.ts";
import { contracts } from "../contracts/cases/index.ts";
import { readRecording } from "../contracts/files.ts";
import { compareLives, compareTakeover, type FoundDifference } from "../contracts/lab.ts";

const open = (found: readonly FoundDifference[]) => found.filter((each) => !isAccepted(each)).map(said);

describe.each(contracts)("$type", (type) => {
  test("makes of a state that the real plugin wrote what that would make of it", async () => {
    expect(open(await compareTakeover(type, readRecording(type.type)))).toEqual([]);
  });

  // Docker and PostgreSQL: test/contracts/check.ts.
  test.skipIf(["docker", "postgresql"].includes(type.plugin))(
    "checks, creates, reads, changes and deletes as the real plugin does",
    async () => {
      const backend = await openBackend(type.plugin, {});
      if (backend === undefined) throw new Error(`no backend for ${type.plugin}`);
      try {
        expect(open(await compareLives(type, readRecording(type.type), backend))).toEqual([]);
      } finally {
        await backend.close();
      }
    },
  );
});

test("every type that the program registers is recorded", () => {
  const registered = new Set(
    ["development", "production", "staging"].flatMap((stack) => {
      const file = new URL(`../program/registered/${stack}.txt`, import.meta.url);
      return readFileSync(file, "utf8").match(/^(?!berth:|pulumi:)\S+:\S+:\S+/gm) ?? [];
    }),
  );
  expect([...registered].sort()).toEqual(contracts.map(({ type }) => type).sort());
});
