import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { execa } from "execa";
import { stringify } from "yaml";
import type { Engine, EngineEvent, EngineResult, EngineRun, StepOp } from "../contracts.ts";
import { findCommand } from "../docker/index.ts";
import type { LabHome } from "../home.ts";
import { providerPackages } from "../providers/index.ts";
import { serveProvider } from "../providers/serve.ts";
import { writePrivateFile } from "../stack/private-file.ts";

type Operation = "preview" | "up" | "refresh" | "destroy";

/** One line of `--event-log`, as far as it is used. */
interface CliEvent {
  readonly resourcePreEvent?: { readonly metadata: { readonly op: string; readonly urn: string } };
  readonly resOutputsEvent?: { readonly metadata: { readonly op: string; readonly urn: string } };
  readonly resOpFailedEvent?: { readonly metadata: { readonly op: string; readonly urn: string } };
  readonly diagnosticEvent?: {
    readonly urn?: string;
    readonly message: string;
    readonly severity: string;
    readonly ephemeral?: boolean;
  };
}

const runSeconds = 1800;
const shortSeconds = 120;

/**
 * The real `pulumi` of the PATH on the same program and configuration: its own local backend in the lab's state, the lab's
 * providers attached to it, one instance of each. The deployment is copied to the lab's state file after every run, so
 * that status, ssh and load find it.
 * @throws when there is no `pulumi`.
 */
export async function createPulumiEngine(home: LabHome): Promise<Engine> {
  const pulumi = await findCommand("pulumi");
  if (pulumi === undefined) {
    throw new Error(
      "--engine pulumi: there is no pulumi on the PATH. Install it (https://www.pulumi.com/docs/install/), or leave the option out: the lab's own engine keeps the same semantics",
    );
  }
  return {
    preview: (run) => operate("preview", pulumi, home, run),
    up: (run) => operate("up", pulumi, home, run),
    refresh: (run) => operate("refresh", pulumi, home, run),
    destroy: (run) => operate("destroy", pulumi, home, run),
  };
}

async function operate(
  operation: Operation,
  pulumi: string,
  home: LabHome,
  run: EngineRun,
): Promise<EngineResult> {
  const folder = join(home.stateDir, "pulumi");
  const backend = join(folder, "backend");
  mkdirSync(backend, { recursive: true, mode: 0o700 });
  const served = await Promise.all(
    providerPackages.map(async (pkg) => ({ name: pkg.name, ...(await serveProvider(pkg)) })),
  );
  try {
    const env = {
      ...process.env,
      ...run.env,
      PATH: [dirname(process.execPath), process.env.PATH].join(delimiter),
      PULUMI_BACKEND_URL: `file://${backend}`,
      PULUMI_CONFIG_PASSPHRASE: run.passphrase,
      PULUMI_DEBUG_PROVIDERS: served.map(({ name, address }) => `${name}:${address.split(":")[1]}`).join(","),
      PULUMI_SKIP_UPDATE_CHECK: "true",
      // Without it the command line has no --event-log.
      PULUMI_DEBUG_COMMANDS: "true",
      NO_COLOR: "1",
    };
    const stack = `organization/${run.project}/${run.stack}`;
    // Its configuration holds secrets that only pulumi may encrypt, so it is written by pulumi, outside the repository.
    const configFile = join(folder, `Pulumi.${run.stack}.yaml`);
    const cli = (args: readonly string[], seconds = shortSeconds) =>
      execa(pulumi, [...args, "--non-interactive"], {
        cwd: run.projectDir,
        env,
        reject: false,
        stdin: "ignore",
        timeout: seconds * 1000,
      });
    await initialise(folder, run, env, pulumi);
    await writeConfig(configFile, run, env, pulumi, stack);
    const eventLog = join(folder, "events.jsonl");
    rmSync(eventLog, { force: true });
    if (operation === "destroy" && run.ignoreProtect)
      await cli(["state", "unprotect", "--all", "--yes", "--stack", stack]);
    const args = [operation, "--stack", stack, "--config-file", configFile, "--event-log", eventLog];
    if (operation !== "preview") args.push("--yes", "--skip-preview");
    if (run.continueOnError && operation !== "refresh" && operation !== "preview")
      args.push("--continue-on-error");
    const follower = follow(eventLog, run.onEvent);
    const ended = await cli(args, runSeconds);
    const result = follower.end();
    if (ended.failed && result.diagnostics.every(({ severity }) => severity !== "error")) {
      result.diagnostics.push({
        severity: "error",
        message: String(ended.stderr || ended.stdout || ended.shortMessage).slice(-4000),
      });
    }
    let outputs: Record<string, unknown> = {};
    if (operation !== "preview") {
      const exported = await cli(["stack", "export", "--stack", stack]);
      if (!exported.failed) writePrivateFile(run.stateFile, exported.stdout);
      const printed = await cli(["stack", "output", "--json", "--stack", stack]);
      if (!printed.failed) outputs = JSON.parse(printed.stdout) as Record<string, unknown>;
    }
    return { ok: !ended.failed, steps: result.steps, diagnostics: result.diagnostics, outputs };
  } finally {
    await Promise.all(served.map(({ close }) => close()));
  }
}

async function initialise(
  folder: string,
  run: EngineRun,
  env: NodeJS.ProcessEnv,
  pulumi: string,
): Promise<void> {
  // `stack init` writes its salt beside the Pulumi.yaml that it finds: here, not in the repository.
  writeFileSync(join(folder, "Pulumi.yaml"), `name: ${run.project}\nruntime: nodejs\n`);
  const stack = `organization/${run.project}/${run.stack}`;
  const created = await execa(pulumi, ["stack", "init", stack, "--non-interactive"], {
    cwd: folder,
    env,
    reject: false,
    stdin: "ignore",
    timeout: shortSeconds * 1000,
  });
  if (created.failed && !created.stderr.includes("already exists")) {
    throw new Error(`pulumi stack init failed: ${created.stderr || created.shortMessage}`);
  }
}

/** Plain values as YAML, secrets through pulumi's standard input: none is ever in an argument or in clear on disk. */
async function writeConfig(
  path: string,
  run: EngineRun,
  env: NodeJS.ProcessEnv,
  pulumi: string,
  stack: string,
): Promise<void> {
  const salt = /^encryptionsalt: .*$/m.exec(existsSync(path) ? readFileSync(path, "utf8") : "")?.[0] ?? "";
  const plain = Object.entries(run.config).filter(([key]) => !run.secretKeys.includes(key));
  const config = Object.fromEntries(plain.map(([key, text]) => [key, structured(text)]));
  writePrivateFile(path, `${salt}\n${stringify({ config })}`);
  for (const key of run.secretKeys) {
    const set = await execa(
      pulumi,
      ["config", "set", "--secret", key, "--stack", stack, "--config-file", path, "--non-interactive"],
      { cwd: run.projectDir, env, reject: false, input: run.config[key] ?? "", timeout: shortSeconds * 1000 },
    );
    if (set.failed) throw new Error(`pulumi config set ${key} failed: ${set.stderr || "no reason given"}`);
  }
}

function structured(text: string): unknown {
  return /^[[{]/.test(text) ? JSON.parse(text) : text;
}

/** Reads the event log while it grows. */
function follow(path: string, onEvent: ((event: EngineEvent) => void) | undefined) {
  const steps: { op: StepOp; urn: string; seconds: number; failed: boolean }[] = [];
  const diagnostics: { severity: "info" | "warning" | "error"; urn?: string; message: string }[] = [];
  const started = new Map<string, number>();
  let read = 0;
  const take = () => {
    if (!existsSync(path)) return;
    const text = readFileSync(path, "utf8");
    const end = text.lastIndexOf("\n") + 1;
    for (const line of text.slice(read, end).split("\n")) if (line !== "") note(JSON.parse(line) as CliEvent);
    read = Math.max(read, end);
  };
  const note = (event: CliEvent) => {
    const { resourcePreEvent: pre, resOutputsEvent: done, resOpFailedEvent: failed, diagnosticEvent } = event;
    if (pre !== undefined && pre.metadata.op !== "same") {
      started.set(`${pre.metadata.op} ${pre.metadata.urn}`, performance.now());
      onEvent?.({ kind: "step-started", op: pre.metadata.op as StepOp, urn: pre.metadata.urn });
    }
    const over = done ?? failed;
    if (over !== undefined && over.metadata.op !== "same") {
      const op = over.metadata.op as StepOp;
      const { urn } = over.metadata;
      const since = started.get(`${op} ${urn}`) ?? performance.now();
      const seconds = (performance.now() - since) / 1000;
      steps.push({ op, urn, seconds, failed: failed !== undefined });
      onEvent?.({ kind: failed === undefined ? "step-done" : "step-failed", op, urn, seconds });
    }
    if (diagnosticEvent === undefined || diagnosticEvent.ephemeral || diagnosticEvent.severity === "debug")
      return;
    const severity =
      diagnosticEvent.severity === "error" || diagnosticEvent.severity === "warning"
        ? diagnosticEvent.severity
        : "info";
    const urn = diagnosticEvent.urn;
    const message = diagnosticEvent.message.replace(/<\{%.*?%\}>/g, "");
    diagnostics.push({ severity, message, ...(urn === undefined || urn === "" ? {} : { urn }) });
    onEvent?.({ kind: "diagnostic", severity, message, ...(urn === undefined ? {} : { urn }) });
  };
  const timer = setInterval(take, 200);
  return {
    end() {
      clearInterval(timer);
      take();
      return { steps, diagnostics };
    },
  };
}
