/** What an operator runs beside pulumi: `npm run ops -- recover`, `npm run ops -- status`. */
import { Command, Option } from "commander";
import { recover, renderRecovery } from "./recover.ts";
import { runCommand } from "./run.ts";
import { readStatus, renderStatus } from "./status.ts";
import { defaultTarget, labTarget, pulumiTarget, type Target } from "./target.ts";

interface TargetOptions {
  readonly stack: string;
  readonly engine?: "lab" | "pulumi";
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
  .action(async (options: TargetOptions & { readonly wait: number; readonly json?: boolean }) => {
    const report = await recover({
      ...(await target(options)),
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

program.parseAsync().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
