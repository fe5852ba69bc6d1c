import { createInterface } from "node:readline/promises";
import { type Command, InvalidArgumentError } from "commander";
import { runCommand } from "./run.ts";
import type { Target } from "./target.ts";

interface Common {
  readonly stack: string;
  readonly json?: boolean;
  readonly database?: string;
}

/** `npm run ops -- snapshots | snapshot | export | restore | … <system>`: what an operator does with a database. */
export function addDatabaseCommands(
  program: Command,
  withJson: (command: Command) => Command,
  target: (options: Common) => Promise<Target>,
): void {
  // Loaded when one of these runs: it brings Pulumi's SDK along.
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
    .description("the snapshots of a system's database: age, size, schema version, whole or damaged")
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
    program
      .command("export")
      .argument("<system>")
      .argument("[snapshot]", "the database as it is now when left out"),
  )
    .option("--stack <name>", "the stack", "production")
    .description("a system's database, or a snapshot of it, as plain SQL that psql alone restores")
    .option("--to <file>", "a file that is complete or not there; standard output when left out")
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
    .description("psql on a system's database, as its owner: interactive, or SQL from standard input")
    .option("--superuser", "as the superuser")
    .action(async (system: string, words: string[], options: Common & { readonly superuser?: boolean }) => {
      const { operations, database } = await load(system, options);
      process.exitCode = await operations.openPsql(database, words, options.superuser === true);
    });

  aboutStack(
    program.command("restore").argument("<system>").argument("[snapshot]", "the newest when left out"),
  )
    .description("replace a system's database by a snapshot, while everything runs; asks first")
    .option("--as-it-was", "keep the snapshot's schema, although the deployed version needs a newer one")
    .option("--yes", "do not ask")
    .action(
      async (
        system: string,
        name: string | undefined,
        options: Common & { readonly asItWas?: boolean; readonly yes?: boolean },
      ) => {
        const { backend, operations, database } = await load(system, options);
        const plan = await operations.planRestore(database, name);
        process.stderr.write(`${operations.describeRestore(plan, options.asItWas === true)}\n`);
        if (!options.yes) await confirm(`${system} ${plan.environment}`);
        process.stderr.write(`restoring ${plan.snapshot} …\n`);
        const result = await operations.restore(database, plan.snapshot, options.asItWas === true);
        const before = result.safety === "" ? "there was none" : result.safety;
        const aside =
          result.replaced === ""
            ? ""
            : `, and the database itself for 7 days as ${result.replaced}. Drop it sooner: ${backend.opsCommand} drop-replaced ${system} --stack ${backend.stack}`;
        print(
          options,
          result,
          `Restored: ${result.snapshot}, schema version ${result.schema}, ${result.tables} tables, about ${result.rows} rows. What was there before: ${before}${aside}`,
        );
      },
    );

  aboutStack(program.command("drop-replaced").argument("<system>"))
    .description("drop the databases that restores put aside; after 7 days they go by themselves; asks first")
    .option("--yes", "do not ask")
    .action(async (system: string, options: Common & { readonly yes?: boolean }) => {
      const { operations, database } = await load(system, options);
      const replaced = await operations.listReplaced(database);
      if (replaced.length === 0) {
        print(options, [], "Nothing was put aside.");
        return;
      }
      process.stderr.write(
        `What is in these and in no snapshot is gone then:\n${replaced.map((each) => `  ${operations.describeReplaced(each)}`).join("\n")}\n`,
      );
      if (!options.yes) await confirm(`drop ${system}`);
      await operations.dropReplaced(database, replaced);
      print(options, replaced, `Dropped: ${replaced.map(({ name }) => name).join(", ")}`);
    });

  aboutStack(program.command("reverse-migration").argument("<system>"))
    .description(
      "take a system's schema back to an older version by the down scripts; shows them and asks first",
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
        `Reversed: schema version ${result.from} to ${result.schema}. The snapshot of before: ${result.snapshot}`,
      );
    });

  aboutStack(program.command("clear-dirty-flag").argument("<system>"))
    .description(
      "say which version a system's schema is at that a migration left marked dirty; runs no migration; asks first",
    )
    .requiredOption("--at <version>", "the schema version that is really there; 0 for none", schemaVersion)
    .option("--yes", "do not ask")
    .action(async (system: string, options: Common & { readonly at: number; readonly yes?: boolean }) => {
      const { operations, database } = await load(system, options);
      process.stderr.write(
        `golang-migrate's record of ${system} will say version ${options.at}, not dirty. If the schema is not that, later migrations fail or are left out.\n`,
      );
      if (!options.yes) await confirm(`${system} ${options.at}`);
      const result = await operations.clearDirtyFlag(database, options.at);
      print(options, result, `The schema of ${system} is at version ${result.schema}, not dirty.`);
    });
}

function withDatabase(command: Command): Command {
  return command.option("--database <name>", "which one, where the system has several");
}

function schemaVersion(text: string): number {
  if (!/^\d{1,18}$/.test(text)) throw new InvalidArgumentError("use a schema version, as in 3");
  return Number(text);
}

/** Waits for the very words to be typed. @throws when something else is, or nobody is there to type. */
async function confirm(words: string): Promise<void> {
  if (!process.stdin.isTTY) throw new Error(`nobody can be asked here: pass --yes to confirm "${words}"`);
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await lines.question(`Type "${words}" to go on: `);
  lines.close();
  if (answer.trim() !== words) throw new Error(`"${answer.trim()}" is not "${words}": nothing was changed`);
}
