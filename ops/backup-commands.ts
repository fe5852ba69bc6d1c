import type { Command } from "commander";
import { runCommand } from "./run.ts";
import type { Target } from "./target.ts";

interface Common {
  readonly stack: string;
  readonly json?: boolean;
}

/** `npm run ops -- backup | backups | drill <system>`: what leaves the hosts. */
export function addBackupCommands(
  program: Command,
  withJson: (command: Command) => Command,
  withStack: (command: Command) => Command,
  target: (options: Common) => Promise<Target>,
): void {
  const load = async (of: string, options: Common) => {
    const { backupsOf, renderBackups } = await import("./backups.ts");
    const { backend } = await target(options);
    return { backups: await backupsOf(backend, of, runCommand), renderBackups };
  };
  const ofWhat = "a system, or a host for its certificates and repositories";

  withStack(program.command("backup").argument("<system>", ofWhat))
    .description("write a backup now: encrypted, sent to the store, read back")
    .action(async (of: string, options: Common) => {
      const { backups } = await load(of, options);
      process.stdout.write(await backups.take());
    });

  withJson(program.command("backups").argument("<system>", ofWhat))
    .description("list the backups in the store")
    .action(async (of: string, options: Common) => {
      const { backups, renderBackups } = await load(of, options);
      const entries = await backups.list();
      process.stdout.write(`${options.json ? JSON.stringify(entries) : renderBackups(entries)}\n`);
    });

  withStack(program.command("drill").argument("<system>"))
    .description("restore the newest backup of each database into a throwaway server, check and measure it")
    .option("--fewer-rows", "acknowledge that much was deleted since the last good drill")
    .action(async (of: string, options: Common & { readonly fewerRows?: boolean }) => {
      const { backups } = await load(of, options);
      process.stdout.write(await backups.drill(options.fewerRows === true));
    });

  withStack(program.command("undelete-backups").argument("<system>", ofWhat))
    .description(
      "bring back what somebody deleted or overwrote in the store, with the bucket owner's key in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    )
    .action(async (of: string, options: Common) => {
      const { ownerOfStore, undelete } = await import("./undelete-backups.ts");
      const { client, ...place } = await ownerOfStore((await target(options)).backend, of, process.env);
      process.stdout.write(`${await undelete(client, place)} objects of ${place.prefix} came back\n`);
    });
}
