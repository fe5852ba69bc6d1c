import { writeFileSync } from "node:fs";
import type { Command } from "commander";
import { runCommand } from "./run.ts";
import type { Target } from "./target.ts";

interface Common {
  readonly stack: string;
  readonly json?: boolean;
}

/** `npm run ops -- export-zitadel | import-zitadel <system>`: projects, applications and roles of a system's Zitadel, as a file. */
export function addZitadelCommands(
  program: Command,
  withJson: (command: Command) => Command,
  withStack: (command: Command) => Command,
  target: (options: Common) => Promise<Target>,
): void {
  // Loaded only when one of these commands runs, because it loads Pulumi's SDK.
  const load = async (system: string, { backend }: Target) => {
    const zitadel = await import("./zitadel.ts");
    const { access, declared } = await zitadel.systemZitadel(backend, system, runCommand);
    process.stderr.write(`asking https://${access.domain} …\n`);
    return { ...zitadel, access, declared, there: await zitadel.readInstance(access) };
  };

  withStack(program.command("export-zitadel").argument("<system>"))
    .description(
      "export projects, applications, roles and grants of a system's Zitadel as JSON, without secrets",
    )
    .option("--to <file>", "the file, written when all has been read; default standard output")
    .action(async (system: string, options: Common & { readonly to?: string }) => {
      const { writeConfiguration } = await import("./zitadel-file.ts");
      const { there } = await load(system, await target(options));
      const text = writeConfiguration(there, new Date());
      if (options.to === undefined) process.stdout.write(text);
      else writeFileSync(options.to, text);
    });

  withJson(
    program.command("import-zitadel").argument("<system>").argument("<file>", "as export-zitadel writes it"),
  )
    .description(
      "make what the file has and a system's Zitadel does not, by name; what is there already stays as it is",
    )
    .option("--dry-run", "say what would be made, and change nothing")
    .action(async (system: string, path: string, options: Common & { readonly dryRun?: boolean }) => {
      const { readConfiguration } = await import("./zitadel-file.ts");
      const { planImport, renderPlan } = await import("./zitadel-plan.ts");
      const found = await target(options);
      const file = readConfiguration(path);
      const { access, declared, there, ...zitadel } = await load(system, found);
      const plan = planImport(file, there, declared);
      if (!options.json) process.stdout.write(`${renderPlan(plan)}\n`);
      const made = options.dryRun ? [] : await zitadel.applyPlan(access, plan, there);
      const said = options.dryRun ? "Dry run: nothing was changed." : zitadel.renderMade(made);
      process.stdout.write(`${options.json ? JSON.stringify({ ...plan, made }) : said}\n`);
    });
}
