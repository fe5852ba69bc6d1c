import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { describe, expect, test } from "vitest";
import { readScript, wholeScript } from "../../components/host/command.ts";

/** Which snapshots of a host expire, by the function of its own script in a real bash. */

const scripts = readScript(import.meta.url, "../../components/release/scripts/database.sh");
const daysAgo = (days: number) =>
  new Date(Date.now() - days * 86_400_000).toISOString().slice(0, 10).replaceAll("-", "");
const named = (days: number, time: string) => `togather_production_${daysAgo(days)}_${time}.tar`;

async function expired(names: readonly string[], keep: number, keepDays?: number): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), "berth-kept-"));
  try {
    for (const name of names) await writeFile(join(folder, name), "");
    const parameters = `SYSTEM=togather ENVIRONMENT_NAME=production DATABASE=togather POSTGRES_SERVICE=togather_postgres DIRECTORY='${folder}' KEEP=${keep}\n`;
    const days = keepDays === undefined ? "" : `KEEP_DAYS=${keepDays}\n`;
    const { stdout } = await execa("bash", ["-s"], {
      input: parameters + days + wholeScript(`${scripts}\nexpired_snapshots`),
    });
    return stdout.split("\n").filter((line) => line !== "");
  } finally {
    await rm(folder, { recursive: true });
  }
}

describe("a snapshot", () => {
  const hotfixes = ["01", "02", "03", "04", "05", "06", "07"].map((hour) => named(0, `${hour}0000`));

  test("of last week outlives seven hotfixes of today", async () => {
    const lastWeek = [named(8, "100000"), named(7, "090000"), named(7, "110000")];
    expect(await expired([...lastWeek, ...hotfixes], 7)).toEqual([named(7, "090000")]);
  });

  test("goes when it is neither among the last nor of the last 14 days", async () => {
    const old = [named(40, "100000"), named(14, "100000"), named(13, "100000")];
    expect(await expired([...old, ...hotfixes], 7)).toEqual([named(40, "100000"), named(14, "100000")]);
  });

  test("stays by its number, whatever its age, and the newest in any case", async () => {
    expect(await expired([named(400, "100000"), named(300, "100000")], 7)).toEqual([]);
    expect(await expired([named(400, "100000")], 1, 1)).toEqual([]);
    expect(await expired([], 7)).toEqual([]);
  });

  test("in plain SQL, of an earlier version, counts as any other", async () => {
    const sql = named(40, "100000").replace(".tar", ".sql.gz");
    expect(await expired([sql, ...hotfixes], 7)).toEqual([sql]);
  });

  test("of another database with a longer name is not touched", async () => {
    expect(
      await expired([`togather_other_production_${daysAgo(40)}_100000.tar`, named(0, "010000")], 1, 1),
    ).toEqual([]);
  });
});
