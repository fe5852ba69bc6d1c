import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { LabHome } from "../home.ts";
import { writePrivateFile } from "../write-file.ts";

/** The systems that `up` has deployed, by stack, so that `up <another>` adds to them. */
type Selections = Readonly<Record<string, readonly string[]>>;

function selectionFile(home: LabHome): string {
  return join(home.stateDir, "systems.json");
}

/** The systems of a stack that run in this lab, including those whose first `up` has not succeeded. */
export function readSelection(home: LabHome, stack: string): readonly string[] {
  return readSelections(home)[stack] ?? [];
}

/** Stacks of this lab with at least one system. */
function selectedStacks(home: LabHome): string[] {
  return Object.entries(readSelections(home))
    .filter(([, systems]) => systems.length > 0)
    .map(([stack]) => stack);
}

export function writeSelection(home: LabHome, stack: string, systems: readonly string[]): void {
  writePrivateFile(selectionFile(home), JSON.stringify({ ...readSelections(home), [stack]: systems }));
}

/**
 * A lab is one Hetzner project for one stack: SSH keys and zones are unique in a project.
 * @throws when another stack runs in this lab, with the alternatives.
 */
export function requireOneStack(home: LabHome, stack: string): void {
  const other = selectedStacks(home).find((name) => name !== stack);
  if (other === undefined) return;
  throw new Error(
    `--stack: this lab (${home.name}) runs ${other}, and a lab is one Hetzner project, for one stack. ` +
      `Rehearse ${stack} at the same time in another lab: BERTH_LAB=${stack} BERTH_LAB_SUBNET=198.18.77.0/24 npm run lab -- up --stack ${stack}. ` +
      `Or replace it: npm run lab -- destroy --stack ${other}`,
  );
}

function readSelections(home: LabHome): Selections {
  const path = selectionFile(home);
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Selections) : {};
}
