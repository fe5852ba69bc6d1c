import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { LabHome } from "../home.ts";
import type { Engine, EngineEvent, EngineResult, EngineRun, StepOp } from "../pulumi/engine/run.ts";
import { providerPackages } from "../pulumi/providers/index.ts";
import type { ProviderPackage } from "../pulumi/providers/provider.ts";
import { serveProvider } from "../pulumi/providers/serve.ts";
import { writePrivateFile } from "../write-file.ts";
import { PulumiCli } from "./pulumi-cli.ts";

type Operation = "preview" | "up" | "refresh" | "destroy";

/** The parts of a line of `--event-log` that are used. */
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

/**
 * The real `pulumi` on the PATH with the same program and configuration, and the lab's providers (`packages`) attached; for
 * all others it uses its own plugins. The deployment is copied to the lab's state file after every run, which status, ssh and load read.
 */
export function createPulumiEngine(
  home: LabHome,
  packages: readonly ProviderPackage[] = providerPackages,
): Engine {
  return {
    preview: (run) => operate("preview", home, run, packages),
    up: (run) => operate("up", home, run, packages),
    refresh: (run) => operate("refresh", home, run, packages),
    destroy: (run) => operate("destroy", home, run, packages),
  };
}

async function operate(
  operation: Operation,
  home: LabHome,
  run: EngineRun,
  packages: readonly ProviderPackage[],
): Promise<EngineResult> {
  const cli = await PulumiCli.open(home, run);
  cli.configure(run.config, run.secretKeys);
  const stack = ["--stack", cli.stackName];
  const served = await Promise.all(
    packages.map(async (pkg) => ({ name: pkg.name, ...(await serveProvider(pkg)) })),
  );
  try {
    const env = {
      ...run.env,
      ...(served.length === 0
        ? {}
        : {
            PULUMI_DEBUG_PROVIDERS: served
              .map(({ name, address }) => `${name}:${address.split(":")[1]}`)
              .join(","),
          }),
      // Without this variable the command line has no --event-log.
      PULUMI_DEBUG_COMMANDS: "true",
    };
    const eventLog = join(cli.folder, "events.jsonl");
    rmSync(eventLog, { force: true });
    if (operation === "destroy" && run.ignoreProtect)
      await cli.run(["state", "unprotect", "--all", "--yes", ...stack]);
    const args: string[] = [
      operation,
      ...stack,
      ...["--config-file", cli.configFile],
      ...["--event-log", eventLog],
    ];
    if (operation !== "preview") args.push("--yes", "--skip-preview");
    // The program opens the tunnel through which databases are read.
    else if (run.refresh) args.push("--refresh", "--run-program");
    if (run.continueOnError && operation !== "refresh" && operation !== "preview")
      args.push("--continue-on-error");
    // A preview that looks first says so of each resource; what `up` would do follows.
    const follower = follow(
      eventLog,
      operation === "preview" ? ["same", "refresh", "read"] : ["same"],
      run.onEvent,
    );
    const ended = await cli.run(args, { cwd: run.projectDir, env, seconds: runSeconds });
    const result = follower.end();
    if (ended.failed && result.diagnostics.every(({ severity }) => severity !== "error")) {
      result.diagnostics.push({
        severity: "error",
        message: String(ended.stderr || ended.stdout || ended.shortMessage).slice(-4000),
      });
    }
    if (operation !== "preview") writePrivateFile(run.stateFile, await cli.exportState());
    return { ok: !ended.failed, steps: result.steps, diagnostics: result.diagnostics };
  } finally {
    await Promise.all(served.map(({ close }) => close()));
  }
}

/**
 * Reads the event log while it is written.
 * @param without operations that are no steps
 */
function follow(
  path: string,
  without: readonly string[],
  onEvent: ((event: EngineEvent) => void) | undefined,
) {
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
    if (pre !== undefined && !without.includes(pre.metadata.op)) {
      started.set(`${pre.metadata.op} ${pre.metadata.urn}`, performance.now());
      onEvent?.({ kind: "step-started", op: pre.metadata.op as StepOp, urn: pre.metadata.urn });
    }
    const over = done ?? failed;
    if (over !== undefined && !without.includes(over.metadata.op)) {
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
