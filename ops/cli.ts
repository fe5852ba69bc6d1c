/** What an operator runs beside pulumi: `npm run ops -- recover`, `npm run ops -- status`, … Production's alone. */
import { definitions, opsProgram, projectDir } from "./program.ts";
import { runCommand } from "./run.ts";
import { packageFoldersLast } from "./search-path.ts";
import { recordSecrets, renderRecorded } from "./secrets.ts";
import { pulumiTarget } from "./target.ts";

process.env.PATH = packageFoldersLast(process.env.PATH ?? "");

const program = opsProgram({
  name: "npm run ops --",
  target: ({ stack }) =>
    pulumiTarget(projectDir, stack, runCommand, (sentence) => process.stderr.write(`${sentence}\n`)),
});

program
  .command("record-secrets")
  .description(
    "after pulumi config set --secret: writes the day and a fingerprint of each new value into Pulumi.<stack>.yaml",
  )
  .option("--stack <name>", "the stack", "production")
  .action(async ({ stack }: { readonly stack: string }) => {
    const recorded = await recordSecrets({
      projectDir,
      stack,
      definitions: await definitions(),
      run: runCommand,
    });
    process.stdout.write(`${renderRecorded(recorded)}\n`);
  });

// Whoever reads only the first lines (head) has read enough.
process.stdout.on("error", () => process.exit());

program.parseAsync().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
