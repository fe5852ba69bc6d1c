/** What an operator runs beside pulumi: `npm run ops -- recover`, `npm run ops -- status`, … */
import { Command, Option } from "commander";
import { goBack, renderBack } from "./back.ts";
import { addDatabaseCommands } from "./database-commands.ts";
import { readDeployments, renderDeployments } from "./deployments.ts";
import { type Level, levels, readLogs } from "./logs.ts";
import { recover, renderRecovery } from "./recover.ts";
import { runCommand } from "./run.ts";
import { readStatus, renderStatus } from "./status.ts";
import { defaultTarget, labTarget, pulumiTarget, type Target } from "./target.ts";

interface TargetOptions {
  readonly stack: string;
  readonly engine?: "lab" | "pulumi";
}

interface RecoverFlags {
  readonly wait: number;
  readonly takeOverFrom?: string;
}

interface LogOptions {
  readonly level?: Level;
  readonly since: string;
  readonly follow?: boolean;
}

function target({ stack, engine }: TargetOptions): Promise<Target> {
  if (engine === "lab") return labTarget(stack);
  return engine === "pulumi" ? pulumiTarget(stack, runCommand) : defaultTarget(stack, runCommand);
}

function aboutStack(command: Command): Command {
  return command
    .option("--stack <name>", "the stack", "production")
    .addOption(
      new Option(
        "--engine <engine>",
        "whose state: Pulumi's, or the lab's; default Pulumi's where pulumi is installed",
      ).choices(["pulumi", "lab"]),
    )
    .option("--json", "print JSON on standard output and nothing else there");
}

const program = new Command("npm run ops --").description("Operate what Berth has deployed.");

aboutStack(program.command("recover"))
  .description(
    "after a killed run: takes over its lock, resolves what it had begun, removes what it created and did not record",
  )
  .option("--wait <seconds>", "how long host commands of the killed run may take to end", Number, 300)
  .option(
    "--take-over-from <owner>",
    "take over this owner's lock, held by another machine, whose run is known to have ended",
  )
  .action(async (options: TargetOptions & RecoverFlags & { readonly json?: boolean }) => {
    const report = await recover({
      ...(await target(options)),
      ...(options.takeOverFrom === undefined ? {} : { takeOverFrom: options.takeOverFrom }),
      waitSeconds: options.wait,
      progress: (message) => process.stderr.write(`${message}\n`),
    });
    process.stdout.write(`${options.json ? JSON.stringify(report) : renderRecovery(report)}\n`);
    if (!report.ok) process.exitCode = 1;
  });

aboutStack(program.command("status"))
  .description(
    "what runs where, which slot takes requests, how old the secrets are, what each system says of itself",
  )
  .action(async (options: TargetOptions & { readonly json?: boolean }) => {
    const status = await readStatus((await target(options)).backend);
    process.stdout.write(`${options.json ? JSON.stringify(status) : renderStatus(status)}\n`);
  });

aboutStack(program.command("deployments"))
  .description("what was deployed of a system, by whom, when, how long it took and how it ended")
  .argument("<system>")
  .action(async (system: string, options: TargetOptions & { readonly json?: boolean }) => {
    const lines = await readDeployments((await target(options)).backend, system);
    process.stdout.write(`${options.json ? JSON.stringify(lines) : renderDeployments(lines)}\n`);
  });

aboutStack(program.command("back"))
  .description(
    "send the requests of a service to the slot that served before, while that one stays: a switch alone",
  )
  .argument("<system>")
  .argument("[service]")
  .action(
    async (
      system: string,
      service: string | undefined,
      options: TargetOptions & { readonly json?: boolean },
    ) => {
      const report = await goBack((await target(options)).backend, system, service);
      process.stdout.write(`${options.json ? JSON.stringify(report) : renderBack(report)}\n`);
    },
  );

aboutStack(program.command("logs"))
  .description("what a system's containers say, those of slots that are gone too; `logs edge` for the edge")
  .argument("<system>")
  .argument("[service]")
  .addOption(new Option("--level <level>", "lines of this level and above").choices(levels))
  .option("--since <time>", "30s, 15m, 2h, 3d, or an ISO time", "1h")
  .option("--follow", "go on as lines come")
  .action(
    async (
      system: string,
      service: string | undefined,
      options: TargetOptions & LogOptions & { readonly json?: boolean },
    ) => {
      await readLogs({
        backend: (await target(options)).backend,
        system,
        ...(service === undefined ? {} : { service }),
        ...options,
        print: (line) =>
          process.stdout.write(
            options.json ? `${JSON.stringify(line)}\n` : `${line.time}  ${line.slot}  ${line.message}\n`,
          ),
      });
    },
  );

// Whoever reads only the first lines (head) has read enough.
process.stdout.on("error", () => process.exit());
addDatabaseCommands(program, aboutStack, target);

program.parseAsync().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
