import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach } from "vitest";
import { shellQuote } from "../../components/host/connection.ts";
import { recordScript } from "../../components/release/record.ts";
import { backScript } from "../../ops/back.ts";

/**
 * The record of deployments: the real scripts of the host in a real bash. Docker is replaced by a script with a folder
 * of slots, which logs its calls.
 */
export const script = (path: string) =>
  readFileSync(fileURLToPath(new URL(`../../components/${path}`, import.meta.url)), "utf8");

const common = script("host/scripts/common.sh");

export const service = `unit_app${process.pid}`;

export let folder: string;

export const records = () => join(folder, "records");

export const logs = () => join(folder, "log", "deployments");

export interface Command {
  readonly step: "pull" | "snapshot" | "migration" | "probe" | "switch";
  readonly version?: string;
  readonly slot?: string;
  readonly keep?: number;
  /** The command's script. */
  readonly body?: string;
  readonly accepted?: boolean;
  readonly routes?: string;
}

export function bash(text: string) {
  const whole = `${common}\nmain() {\n${text}\n}\nmain </dev/null\n`;
  const env = {
    ...process.env,
    PATH: `${join(folder, "bin")}:${process.env.PATH}`,
    DEPLOYED_BY: "ann@laptop",
  };
  const { status, stdout, stderr } = spawnSync("bash", ["-s"], { input: whole, encoding: "utf8", env });
  return { status, stdout, stderr };
}

export function command({
  step,
  version = "v1.0.0",
  slot = "",
  keep = 0,
  body = ":",
  accepted = false,
  routes = "",
}: Command) {
  const parameters = {
    RELEASE_SYSTEM: "unit",
    RELEASE_SERVICE: service,
    RELEASE_ENVIRONMENT: "production",
    RELEASE_IMAGE: `registry.example/app:${version}`,
    RELEASE_VERSION: version,
    RELEASE_SLOT: slot,
    RELEASE_KEEP_MINUTES: String(keep),
    RELEASE_RECORDS: records(),
    RELEASE_LOGS: logs(),
    RELEASE_STEP: step,
    RELEASE_ACCEPTED: accepted ? "yes" : "no",
    RELEASE_ROUTES: join(folder, "edge"),
    ROUTES: routes,
    RELEASE_SAVES:
      "RELEASE_SYSTEM\nRELEASE_SERVICE\nRELEASE_ENVIRONMENT\nRELEASE_IMAGE\nRELEASE_VERSION\nRELEASE_SLOT\nRELEASE_KEEP_MINUTES\nRELEASE_RECORDS\nRELEASE_LOGS\nRELEASE_ACCEPTED\nROUTES\nRELEASE_SAVES",
  };
  const assignments = Object.entries(parameters).map(([name, value]) => `${name}=${shellQuote(value)}`);
  // The timer must not be installed on the machine that runs this test.
  return bash(
    [...assignments, recordScript, "slot_timer_install() { :; }", `step() {\n${body}\n}`, "release_run"].join(
      "\n",
    ),
  );
}

/** A release's last command, with the slot that Pulumi would have made. */
export function release(version: string, slot: string, keep = 0) {
  writeFileSync(join(folder, "slots", slot), keep > 0 ? "true" : "");
  return command({ step: "switch", version, slot, keep });
}

export type Line = Record<string, unknown>;

export const state = () => JSON.parse(readFileSync(join(records(), `${service}.json`), "utf8")) as Line;

export const lines = (path: string) =>
  (existsSync(path) ? readFileSync(path, "utf8") : "")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line);

export const history = () => lines(join(records(), `${service}.history.jsonl`));

/** Number of replicas of a slot; 1 unless scaled. */
export const tasks = (slot: string) => {
  const file = join(folder, "tasks", slot);
  return existsSync(file) ? Number(readFileSync(file, "utf8")) : 1;
};

/** `ops back`, as it runs on the host. */
export const goBack = (from: string, to: string) =>
  bash(backScript(service, from, to).replaceAll("/var/lib/berth/deployments", records()));

/** A host without slots and records before each test of a file. */
export function beforeEachNewHost(): void {
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "berth-record-"));
    mkdirSync(join(folder, "slots"));
    mkdirSync(join(folder, "bin"));
    // The image is on the host.
    writeFileSync(join(folder, "pulled"), "");
    const docker = `#!/bin/bash
cd ${shellQuote(join(folder, "slots"))}
case "$*" in
  "image inspect --format"*) [ -e ../pulled ] && echo abc1234567890abcdef ;;
  "image inspect"*) ;;
  "service ls"*berth.retain=true*) grep --files-with-matches true * ;;
  "service ls"*) ls ;;
  "service inspect --format {{.Spec.Name}}"*) shift 4; printf '%s\\n' "$@" ;;
  "service inspect --format {{index"*) cat "$5" ;;
  "service inspect --format {{range"*) [ -e "$5" ] && echo "secret jwt-of-$5" ;;
  "service inspect --format {{with"* | "service inspect --format {{.Spec.Mode"*) [ -e "$5" ] && cat "../tasks/$5" 2>/dev/null || echo 1 ;;
  "service inspect"*) [ -e "$3" ] ;;
  "service scale"*) mkdir -p ../tasks && echo "\${4#*=}" >"../tasks/\${4%=*}" ;;
  "ps --quiet"*) seq "\${HEALTHY_TASKS:-1}" ;;
  "service ps --quiet"*) seq "\${HEALTHY_TASKS:-1}" ;;
  "inspect --type task"*) shift 5; printf '%s\\n' "$@" ;;
  "inspect --format {{with .State.Health"*) shift 3; printf 'healthy%.0s\\n' "$@" ;;
  "service ps --format {{.CurrentState}} "*) grep --quiet --line-regexp 0 "../tasks/$5" 2>/dev/null || echo "Running 2 seconds ago" ;;
  "service ps"*) echo "Running no such image" ;;
  "service rm"*) rm "$3" && echo "$*" >>../calls ;;
  *) echo "$*" >>../calls ;;
esac
`;
    for (const [name, text] of [
      ["docker", docker],
      ["sudo", '#!/bin/sh\nexec "$@"\n'],
    ] as const) {
      writeFileSync(join(folder, "bin", name), text);
      chmodSync(join(folder, "bin", name), 0o755);
    }
  });

  afterEach(() => {
    rmSync(folder, { recursive: true });
    rmSync(`/run/lock/berth-records-${service}`, { force: true });
  });
}
