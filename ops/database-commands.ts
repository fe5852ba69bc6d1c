import { createInterface } from "node:readline/promises";
import { type Command, InvalidArgumentError } from "commander";
import { runCommand } from "./run.ts";
import type { Target } from "./target.ts";

interface Common {
  readonly stack: string;
  readonly json?: boolean;
  readonly database?: string;
}

interface MoveInOptions {
  readonly from: string;
  readonly oldUser: string;
  readonly oldName?: string;
  readonly cutOver?: boolean;
  readonly yes?: boolean;
}

/** `npm run ops -- snapshots | snapshot | export | restore | … <system>`: what an operator does with a database. */
export function addDatabaseCommands(
  program: Command,
  withJson: (command: Command) => Command,
  target: (options: Common) => Promise<Target>,
): void {
  // Loaded only when one of these commands runs, because it loads Pulumi's SDK.
  const load = async (system: string, options: Common) => {
    const [operations, found] = await Promise.all([import("./database.ts"), import("./system-database.ts")]);
    const { backend } = await target(options);
    const database = await found.systemDatabase(backend, system, options.database, runCommand);
    return { backend, operations, database };
  };
  const aboutStack = (command: Command) => withDatabase(withJson(command));
  const print = (options: Common, value: unknown, text: string) =>
    process.stdout.write(`${options.json ? JSON.stringify(value) : text}\n`);

  aboutStack(program.command("snapshots").argument("<system>"))
    .description("list the snapshots of a system's database: age, size, schema version, result of the check")
    .action(async (system: string, options: Common) => {
      const { operations, database } = await load(system, options);
      const entries = await operations.listSnapshots(database);
      print(options, entries, operations.renderSnapshots(entries));
    });

  aboutStack(program.command("snapshot").argument("<system>"))
    .description("write a snapshot of a system's database now")
    .action(async (system: string, options: Common) => {
      const { operations, database } = await load(system, options);
      const snapshot = await operations.writeSnapshot(database);
      print(options, { snapshot }, `Written: ${snapshot}`);
    });

  withDatabase(
    program.command("export").argument("<system>").argument("[snapshot]", "default: the current database"),
  )
    .option("--stack <name>", "the stack", "production")
    .description("export a system's database, or a snapshot of it, as plain SQL for psql")
    .option("--to <file>", "the file, which appears only when it is complete; default standard output")
    .action(
      async (system: string, snapshot: string | undefined, options: Common & { readonly to?: string }) => {
        const { operations, database } = await load(system, options);
        process.exitCode = await operations.exportDatabase(database, snapshot, options.to);
      },
    );

  withDatabase(
    program.command("psql").argument("<system>").argument("[words...]", "psql's own arguments, after --"),
  )
    .option("--stack <name>", "the stack", "production")
    .description(
      "open psql on a system's database, as its owner: interactive, or with SQL from standard input",
    )
    .option("--superuser", "as the superuser")
    .action(async (system: string, words: string[], options: Common & { readonly superuser?: boolean }) => {
      const { operations, database } = await load(system, options);
      process.exitCode = await operations.openPsql(database, words, options.superuser === true);
    });

  /** A restore of a dump from elsewhere. What is wrong with the file is said before the state is read. */
  async function fill(
    system: string,
    from: string,
    options: Common & { readonly leaveOut: readonly string[]; readonly yes?: boolean },
  ): Promise<void> {
    const { readDumpFile } = await import("./dump-file.ts");
    const file = readDumpFile(from);
    const [{ backend, database }, dumps, { requireNoDeploy }] = await Promise.all([
      load(system, options),
      import("./restore-dump.ts"),
      import("./system-database.ts"),
    ]);
    const plan = await dumps.planDumpRestore(database, file, options.leaveOut);
    process.stderr.write(`${dumps.describeDumpRestore(plan, database)}\n`);
    if (!options.yes) await confirm(`${system} ${plan.environment}`);
    process.stderr.write(`sending ${from} to the host, then comparing and restoring …\n`);
    const result = await dumps.restoreDump(database, plan, () => requireNoDeploy(backend));
    const dropSooner = `${backend.opsCommand} drop-replaced ${system} --stack ${backend.stack}`;
    print(options, result, dumps.renderDumpRestored(result, dropSooner));
  }

  aboutStack(program.command("restore").argument("<system>").argument("[snapshot]", "default: the newest"))
    .description("replace a system's database with a snapshot, while everything runs; asks first")
    .option("--from-backup <id>", "a backup from the store, as backups lists it, instead of a snapshot")
    .option("--as-it-was", "keep the snapshot's schema, although the deployed version needs a newer one")
    .option(
      "--from <file>",
      "a dump on this machine, of pg_dump's custom format and with the same schema: its rows fill the database's empty tables, while what uses it is stopped",
    )
    .option(
      "--leave-out <table>",
      "with --from: a table that stays as it is; may be repeated",
      (table: string, others: readonly string[]) => [...others, table],
      [],
    )
    .option("--yes", "do not ask")
    .action(
      async (
        system: string,
        name: string | undefined,
        options: Common & {
          readonly fromBackup?: string;
          readonly asItWas?: boolean;
          readonly from?: string;
          readonly leaveOut: readonly string[];
          readonly yes?: boolean;
        },
      ) => {
        const { fromBackup, from, leaveOut } = options;
        if (from !== undefined && (name !== undefined || fromBackup !== undefined || options.asItWas))
          throw new Error(
            `--from ${from} stands alone: leave out the snapshot, --from-backup and --as-it-was`,
          );
        if (from === undefined && leaveOut.length > 0)
          throw new Error("--leave-out is about --from; a snapshot is restored as a whole");
        if (from !== undefined) {
          await fill(system, from, options);
          return;
        }
        const { backend, operations, database } = await load(system, options);
        if (fromBackup !== undefined && name !== undefined)
          throw new Error(`name a snapshot (${name}) or --from-backup ${fromBackup}, not both`);
        const { backupsOf } = await import("./backups.ts");
        const fetched =
          fromBackup === undefined
            ? name
            : await (await backupsOf(backend, system, runCommand)).fetch(fromBackup, database);
        const plan = await operations.planRestore(database, fetched);
        process.stderr.write(`${operations.describeRestore(plan, options.asItWas === true)}\n`);
        if (!options.yes) await confirm(`${system} ${plan.environment}`);
        process.stderr.write(`restoring ${plan.snapshot} …\n`);
        const result = await operations.restore(database, plan.snapshot, options.asItWas === true);
        const before = result.safety === "" ? "none" : result.safety;
        const aside =
          result.replaced === ""
            ? ""
            : `, and for 7 days the database ${result.replaced}. To drop it sooner: ${backend.opsCommand} drop-replaced ${system} --stack ${backend.stack}`;
        print(
          options,
          result,
          `Restored: ${result.snapshot}, schema version ${result.schema}, ${result.tables} tables, about ${result.rows} rows. The previous database: ${before}${aside}`,
        );
      },
    );

  aboutStack(program.command("move-in").argument("<system>"))
    .description(
      "copy a system's database from where it runs today: a rehearsal that says how long it takes, then the cut-over",
    )
    .requiredOption(
      "--from <command>",
      "what stands before psql and pg_dump at the old place: 'ssh old docker exec -i old_postgres'; '' for this machine's",
    )
    .option("--old-user <name>", "who reads the old database, and may close it for writes", "postgres")
    .option("--old-name <name>", "its name; default the same")
    .option("--cut-over", "close the old database for writes and take its place; asks first")
    .option("--yes", "do not ask")
    .action(async (system: string, options: Common & MoveInOptions) => {
      const [{ backend, database }, moving] = await Promise.all([
        load(system, options),
        import("./move-in.ts"),
      ]);
      const old = moving.oldDatabase(
        { from: options.from, user: options.oldUser, name: options.oldName ?? database.name },
        runCommand,
      );
      const plan = await moving.planMoveIn(database, old);
      process.stderr.write(`${moving.describeMoveIn(plan, database)}\n`);
      if (options.cutOver && !options.yes) await confirm(`${system} ${plan.environment}`);
      const move = options.cutOver ? moving.cutOver : moving.rehearseMoveIn;
      process.stderr.write(`${options.cutOver ? "moving in" : "rehearsing"} …\n`);
      const result = await move(database, old, plan);
      const again = `${backend.opsCommand} move-in ${system} with the same options and --cut-over`;
      print(options, result, moving.renderMoveIn(result, again));
    });

  aboutStack(program.command("drop-replaced").argument("<system>"))
    .description(
      "drop the databases that restores have replaced, which are dropped anyway after 7 days; asks first",
    )
    .option("--yes", "do not ask")
    .action(async (system: string, options: Common & { readonly yes?: boolean }) => {
      const { operations, database } = await load(system, options);
      const replaced = await operations.listReplaced(database);
      if (replaced.length === 0) {
        print(options, [], "There are no replaced databases.");
        return;
      }
      process.stderr.write(
        `Data that is only in these databases and in no snapshot will be lost:\n${replaced.map((each) => `  ${operations.describeReplaced(each)}`).join("\n")}\n`,
      );
      if (!options.yes) await confirm(`drop ${system}`);
      await operations.dropReplaced(database, replaced);
      print(options, replaced, `Dropped: ${replaced.map(({ name }) => name).join(", ")}`);
    });

  aboutStack(program.command("reverse-migration").argument("<system>"))
    .description(
      "reverse a system's schema to an older version with the down scripts; shows them and asks first",
    )
    .requiredOption("--to <version>", "the schema version to reach; 0 reverses all", schemaVersion)
    .option("--yes", "do not ask")
    .action(async (system: string, options: Common & { readonly to: number; readonly yes?: boolean }) => {
      const { operations, database } = await load(system, options);
      const plan = await operations.planReverse(database, options.to);
      process.stderr.write(`${operations.describeReverse(plan, options.to)}\n`);
      if (!options.yes) await confirm(`${system} ${plan.environment}`);
      process.stderr.write(`reversing to ${options.to} …\n`);
      const result = await operations.reverse(database, options.to);
      print(
        options,
        result,
        `Reversed: schema version ${result.from} to ${result.schema}. Snapshot of the database before: ${result.snapshot}`,
      );
    });

  aboutStack(program.command("clear-dirty-flag").argument("<system>"))
    .description(
      "set the version of a system's schema that a migration left marked dirty; runs no migration; asks first",
    )
    .requiredOption(
      "--at <version>",
      "the schema version that the database really has; 0 for none",
      schemaVersion,
    )
    .option("--yes", "do not ask")
    .action(async (system: string, options: Common & { readonly at: number; readonly yes?: boolean }) => {
      const { operations, database } = await load(system, options);
      process.stderr.write(
        `golang-migrate's record of ${system} will say version ${options.at}, not dirty. If the schema has another version, later migrations fail or are skipped.\n`,
      );
      if (!options.yes) await confirm(`${system} ${options.at}`);
      const result = await operations.clearDirtyFlag(database, options.at);
      print(options, result, `The schema of ${system} is at version ${result.schema}, not dirty.`);
    });
}

function withDatabase(command: Command): Command {
  return command.option("--database <name>", "the database, when the system has several");
}

function schemaVersion(text: string): number {
  if (!/^\d{1,18}$/.test(text)) throw new InvalidArgumentError("use a schema version, as in 3");
  return Number(text);
}

/** Asks the operator to type the words exactly. @throws when something else is typed, or when there is no terminal. */
export async function confirm(words: string): Promise<void> {
  if (!process.stdin.isTTY)
    throw new Error(`there is no terminal to ask for confirmation: pass --yes to confirm "${words}"`);
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await lines.question(`Type "${words}" to continue: `);
  lines.close();
  if (answer.trim() !== words) throw new Error(`"${answer.trim()}" is not "${words}": nothing was changed`);
}
