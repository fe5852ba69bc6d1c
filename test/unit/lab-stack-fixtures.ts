import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach } from "vitest";
import type { LabHome } from "../../lab/home.ts";

let root = "";

export const projectDir = new URL("../..", import.meta.url).pathname;

export let home: LabHome;

let count = 0;

export function stackFolder(yaml: string): string {
  const folder = mkdtempSync(join(root, "project-"));
  writeFileSync(join(folder, "Pulumi.trial.yaml"), yaml);
  return folder;
}

/** An empty lab before each test of a file. */
export function withEmptyLabs(): void {
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), "berth-stack-"));
  });

  beforeEach(() => {
    count += 1;
    const stateDir = join(root, String(count));
    mkdirSync(stateDir);
    home = { name: "unit", cacheDir: root, stateDir, subnet: "198.18.99.0/24", gateway: "198.18.99.1" };
  });

  afterAll(() => rmSync(root, { recursive: true }));
}
