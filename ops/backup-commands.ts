import { writeFileSync } from "node:fs";
import type { Command } from "commander";
import { runCommand } from "./run.ts";
import type { Target } from "./target.ts";

interface Common {
  readonly stack: string;
  readonly json?: boolean;
}

/** `npm run ops -- backup | backups | drill | point-in-time <system>`: what leaves the hosts; and the state. */
export function addBackupCommands(
  program: Command,
  withJson: (command: Command) => Command,
  withStack: (command: Command) => Command,
  target: (options: Common) => Promise<Target>,
): void {
  const load = async (of: string, options: Common) => {
    const { backupsOf, renderBackups, renderPointInTime } = await import("./backups.ts");
    const { backend } = await target(options);
    return { backend, backups: await backupsOf(backend, of, runCommand), renderBackups, renderPointInTime };
  };
  const ofWhat = "a system, or a host for its certificates and repositories";

  withStack(program.command("backup").argument("<system>", ofWhat))
    .description("write a backup now: encrypted, sent to the store, read back")
    .action(async (of: string, options: Common) => {
      const { backups } = await load(of, options);
      process.stdout.write(await backups.take());
    });

  withJson(program.command("backups").argument("<system>", ofWhat))
    .description("list the backups in the store, and the times that databases can be brought back to")
    .action(async (of: string, options: Common) => {
      const { backups, renderBackups, renderPointInTime } = await load(of, options);
      const entries = await backups.list();
      const windows = options.json
        ? ""
        : renderPointInTime([{ of: backups.of, ...(await backups.record()) }]);
      const text = options.json ? JSON.stringify(entries) : renderBackups(entries);
      process.stdout.write(`${text}\n${windows === "" ? "" : `${windows}\n`}`);
    });

  withJson(program.command("point-in-time").argument("<system>"))
    .description(
      "bring a system's database back to any second of the window, as a snapshot beside it, which restore puts in its place",
    )
    .requiredOption("--at <time>", "the time, with its zone: 2026-11-26T12:00:00Z")
    .option("--database <name>", "the database, where the system has several: gadgetbot_postgres/zitadel")
    .action(async (of: string, options: Common & { readonly at: string; readonly database?: string }) => {
      const { parsePointInTime, renderRecovered } = await import("./point-in-time.ts");
      const at = parsePointInTime(options.at);
      const { systemDatabase } = await import("./system-database.ts");
      const { backend, backups } = await load(of, options);
      const database = await systemDatabase(backend, of, options.database, runCommand);
      process.stderr.write(`bringing ${database.server}/${database.name} back to ${at} …\n`);
      const found = await backups.recover(at, database);
      const which = options.database === undefined ? "" : ` --database ${options.database}`;
      const restore = `${backend.opsCommand} restore ${of} --stack ${backend.stack}${which}`;
      process.stdout.write(`${options.json ? JSON.stringify(found) : renderRecovered(found, restore)}\n`);
    });

  withStack(program.command("drill").argument("<system>"))
    .description("restore the newest backup of each database into a throwaway server, check and measure it")
    .option("--fewer-rows", "acknowledge that much was deleted since the last good drill")
    .action(async (of: string, options: Common & { readonly fewerRows?: boolean }) => {
      const { backups } = await load(of, options);
      process.stdout.write(await backups.drill(options.fewerRows === true));
    });

  withStack(program.command("save-state"))
    .description(
      "after a deploy: send Pulumi's state to the store of backups, its secrets encrypted, and read it back",
    )
    .action(async (options: Common) => {
      const { saveState } = await import("./state-backup.ts");
      process.stdout.write(await saveState((await target(options)).backend, runCommand));
    });

  withStack(program.command("saved-state"))
    .description(
      "read the newest state in the store, without a host and without Pulumi, and prove that key, password and passphrase open it",
    )
    .option("--to <file>", "where it is written, for pulumi stack import; nowhere when left out")
    .action(async ({ stack, to }: Common & { readonly to?: string }) => {
      const { savedState } = await import("./state-backup.ts");
      const { storeAccess } = await import("./store-access.ts");
      const { names, access } = storeAccess(stack, process.env);
      const { time, text, resources } = await savedState(stack, names, access, runCommand);
      if (to !== undefined) writeFileSync(to, text, { mode: 0o600, flag: "wx" });
      process.stdout.write(
        `The state of ${time}, ${resources} resources: the store's key and the backups' password open the repository, the passphrase opens the state.\n` +
          (to === undefined
            ? ""
            : `It is in ${to}. To use it: npx pulumi stack import --stack ${stack} --file ${to}\n`),
      );
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
