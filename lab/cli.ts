import { appendFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { type LabContext, labContext, placedSystems } from "./commands/context.ts";
import { operateCommand } from "./commands/destroy.ts";
import { downCommand } from "./commands/down.ts";
import { loadCommand } from "./commands/load.ts";
import { opsCommand } from "./commands/ops.ts";
import { previewCommand } from "./commands/preview.ts";
import { withEngine, withRunOptions, withStack } from "./commands/run-options.ts";
import { sshCommand } from "./commands/ssh.ts";
import { statusCommand } from "./commands/status.ts";
import { unlockCommand } from "./commands/unlock.ts";
import { upCommand } from "./commands/up.ts";

/** The command line of the lab: `npm run lab -- <command>`, and `npm start`. */
export function labProgram(context: () => LabContext): Command {
  const program = new Command("npm run lab --")
    .description("Rehearse a stack on this machine: the unchanged program against an emulation of Hetzner.")
    .showHelpAfterError("(npm run lab -- --help lists the commands)")
    // Arguments after `ops` belong to its own program, including `--`.
    .enablePositionalOptions()
    .helpCommand(false);
  const finish = (ok: boolean) => {
    if (!ok) process.exitCode = 1;
  };

  withRunOptions(
    program
      .command("start")
      .description("boot the lab, deploy the first system of the stack and print its address"),
  ).action((options) => upCommand(context(), [], options));

  withRunOptions(
    program
      .command("up")
      .description(
        "deploy the named systems and those that run; in an empty lab the first one of the stack; recovers after a crash first",
      )
      .argument("[system...]"),
  )
    .option(
      "--refresh",
      "update the state to what exists first, so that what was changed by hand is put back",
    )
    .option("--all", "every system of the stack file", false)
    .option("--yes", "for scripts that pass it everywhere; the lab never asks")
    .action((systems: string[], { all, ...options }) =>
      upCommand(context(), all ? placedSystems(context(), options.stack) : systems, options),
    );

  withRunOptions(program.command("preview").description("show what up would change").argument("[system...]"))
    .option("--refresh", "compare with what exists instead of the state, which stays as it is")
    .option("--expect-no-changes", "fail when something would change")
    .option("--json", "the changes as JSON on standard output")
    .action((systems: string[], options) => previewCommand(context(), systems, options));

  withEngine(withStack(program.command("refresh").description("update the state to what exists"))).action(
    (options) => operateCommand("refresh", context(), options),
  );

  withEngine(
    withStack(
      program
        .command("destroy")
        .description("delete all resources of the stack, protected or not; the lab keeps running"),
    ),
  )
    .option("--yes", "for scripts that pass it everywhere; the lab never asks")
    .action((options) => operateCommand("destroy", context(), options));

  withStack(program.command("status").description("what runs, its addresses and whether it is healthy"))
    .option("--json", "as JSON on standard output and nothing else")
    .action(async (options) => finish(await statusCommand(context(), options)));

  withStack(
    program
      .command("ssh")
      .description("a shell on a machine, or one command: ssh main -- docker service ls")
      .argument("[host]", "a host of berth:hosts; the first one when left out")
      .argument("[command...]"),
  ).action(async (host: string | undefined, command: string[], options) => {
    process.exitCode = await sshCommand(context(), options, host, command);
  });

  withStack(
    program
      .command("load")
      .description("send requests to a system at a constant rate; fails when a request failed")
      .argument("<system>"),
  )
    .option("--rate <number>", "requests a second of all clients together", positive, 200)
    .option("--seconds <number>", "how long", positive, 60)
    .option("--clients <number>", "addresses that the requests come from", positive, 2)
    .option("--path <path...>", "paths to GET instead of the stand-in's requests; each must answer 200")
    .option("--ipv6", "over IPv6, each client from a network of its own")
    .option("--json", "the report as JSON on standard output and nothing else")
    .action(async (system: string, options) => finish(await loadCommand(context(), system, options)));

  withStack(
    program
      .command("unlock")
      .description("remove the deploy lock of a process that has ended, and print its owner"),
  )
    .option("--force", "even when its process still runs")
    .action((options) => unlockCommand(context(), options));

  program
    .command("ops")
    .description("run the commands of `npm run ops` on the lab: ops status, ops back, …")
    .argument("[command...]")
    .helpOption(false)
    .allowUnknownOption()
    .passThroughOptions()
    .action((args: string[]) => opsCommand(context(), args));

  program
    .command("down")
    .description("end the lab and remove everything but the cached images")
    .option("--purge", "remove the cache as well")
    .option("--force", "even while a deploy is running")
    .action((options) => downCommand(context(), options));

  return program;
}

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) throw new InvalidArgumentError("use a number above 0");
  return value;
}

/** Prints the message; the stack trace is written to the lab's log, and printed when the error is a bug of the lab. */
function report(error: unknown, context: LabContext | undefined): void {
  const text = error instanceof Error ? error.message : String(error);
  const fault = error instanceof TypeError || error instanceof ReferenceError || error instanceof SyntaxError;
  process.stderr.write(`\n${fault && error.stack ? error.stack : text}\n`);
  if (error instanceof Error && context !== undefined && existsSync(context.home.stateDir)) {
    const entry = `${new Date().toISOString()} ${process.argv.slice(2, 3).join(" ")}: ${error.stack}\n`;
    appendFileSync(join(context.home.stateDir, "commands.log"), entry, { mode: 0o600 });
  }
}

if (import.meta.main) {
  let context: LabContext | undefined;
  try {
    await labProgram(() => {
      context = labContext();
      return context;
    }).parseAsync();
  } catch (error) {
    report(error, context);
    process.exitCode = 1;
  }
}
