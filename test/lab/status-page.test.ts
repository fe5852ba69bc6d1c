import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { execa } from "execa";
import { expect, test } from "vitest";
import { findCommand } from "../../lab/docker/index.ts";
import { statusPage } from "../../ops/status-page.ts";
import { status } from "../unit/status-fixture.ts";

/** The status page in a browser. Its pictures are artefacts: BERTH_ARTEFACTS, or a folder of the temporary one. */
const artefacts = process.env.BERTH_ARTEFACTS ?? join(tmpdir(), "berth-artefacts");
const chromium = (await findCommand("chromium")) ?? (await findCommand("google-chrome"));
const why = "no chromium on the PATH: apt-get install --no-install-recommends chromium";
if (chromium === undefined) process.stdout.write(`status page: no pictures, ${why}\n`);

/** Width and height of a PNG (its first chunk, IHDR). */
const size = (png: Buffer) => [png.readUInt32BE(16), png.readUInt32BE(20)];

test.skipIf(chromium === undefined).each([
  ["wide", 1280, 1500, 1],
  ["wide-dark", 1280, 1500, 0],
  ["phone", 500, 2600, 1],
  ["phone-dark", 500, 2600, 0],
])("is shown %s", async (name, width, height, scheme) => {
  mkdirSync(artefacts, { recursive: true });
  const page = join(artefacts, "status.html");
  writeFileSync(page, statusPage(status, { stack: "production", time: new Date("2026-11-26T17:00:00Z") }));
  const picture = join(artefacts, `status-${name}.png`);
  const { all, exitCode } = await execa(
    chromium ?? "",
    [
      ...[
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--disable-background-networking",
      ],
      // The setting's own numbers: dark is 0, light 1 (Chromium, mojom/css/preferred_color_scheme.mojom).
      ...[`--blink-settings=preferredColorScheme=${scheme}`, `--window-size=${width},${height}`],
      ...[
        `--user-data-dir=${join(artefacts, "profile")}`,
        `--screenshot=${picture}`,
        pathToFileURL(page).href,
      ],
    ],
    { all: true, reject: false, timeout: 60_000 },
  );
  expect(exitCode, all).toBe(0);
  const png = readFileSync(picture);
  expect(size(png)).toEqual([width, height]);
  // An empty page of one colour takes a few KB.
  expect(png.length).toBeGreaterThan(20_000);
});
