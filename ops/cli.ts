/** What an operator runs beside pulumi: `npm run ops -- recover`, `npm run ops -- status`, … Only for production. */
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { serverTypeFile } from "../components/host/server-types.ts";
import { Cloud } from "./cloud.ts";
import { definitions, opsProgram, projectDir } from "./program.ts";
import { addPushCommand, pushAndDeploy, readBuild } from "./push.ts";
import { recordVersion, withVersion } from "./record-version.ts";
import { logInToRegistries } from "./registry-login.ts";
import { attach, runCommand } from "./run.ts";
import { packageFoldersLast } from "./search-path.ts";
import { recordSecrets, renderRecorded } from "./secrets.ts";
import { readServerTypes, writeServerTypes } from "./server-types.ts";
import { pulumiTarget } from "./target.ts";

process.env.PATH = packageFoldersLast(process.env.PATH ?? "");

/** The whole command line. */
export const program = opsProgram({
  name: "npm run ops --",
  target: ({ stack }) =>
    pulumiTarget(projectDir, stack, runCommand, (sentence) => process.stderr.write(`${sentence}\n`)),
});

program
  .command("record-version")
  .description(
    "before a version is deployed: previews with it, writes it and its digest into Pulumi.<stack>.yaml and pushes the branch",
  )
  .argument("<setting>", "the setting that has the version: togather:app")
  .argument("<version>", "the version: v1.2.0")
  .requiredOption("--image <name>", "the image's key in berth:images")
  .requiredOption("--digest <digest>", "what the registry has under the version")
  .option("--stack <name>", "the stack", "production")
  .action(async (setting: string, version: string, options: Record<"image" | "digest" | "stack", string>) => {
    const { image, digest, stack } = options;
    const said = await recordVersion({
      projectDir,
      stack,
      wanted: { setting, image, version, digest },
      run: runCommand,
      preview: async () => {
        const args = ["preview", "--stack", stack, "--non-interactive"];
        const { execa } = await import("execa");
        await execa("pulumi", args, {
          cwd: projectDir,
          stdio: ["ignore", "inherit", "inherit"],
          timeout: 900_000,
        });
      },
    });
    process.stdout.write(`${said}\n`);
  });

addPushCommand(program)
  .option("--stack <name>", "the stack", "production")
  .action(async (name: string, { ref, from, stack }: Record<"ref" | "from" | "stack", string>) => {
    const print = (line: string) => process.stderr.write(`${line}\n`);
    const build = readBuild(projectDir, stack, name);
    const { backend } = await pulumiTarget(projectDir, stack, runCommand, print);
    const file = `Pulumi.${stack}.yaml`;
    const path = join(projectDir, file);
    const up = ["up", "--stack", stack, "--continue-on-error", "--yes", "--cwd", projectDir];
    const code = await pushAndDeploy({
      ...{ stack, backend, name, build, ref, folder: resolve(from), run: runCommand, print, file },
      record: (wanted) => writeFileSync(path, withVersion(file, readFileSync(path, "utf8"), wanted)),
      up: () => attach("pulumi", up),
    });
    if (code === 0) print(`Commit ${file}.`);
    process.exitCode = code;
  });

program
  .command("registry-login")
  .description(
    "log docker on this machine in to the registries of berth:registries, and to those that the stack serves",
  )
  .option("--stack <name>", "the stack", "production")
  .action(async ({ stack }: { readonly stack: string }) => {
    const addresses = await logInToRegistries(stack, runCommand);
    process.stdout.write(
      `${addresses.length === 0 ? "no registry needs a login" : `logged in: ${addresses.join(", ")}`}\n`,
    );
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

program
  .command("refresh-server-types")
  .description(
    "reads Hetzner's server types, locations and prices and writes components/host/server-types.json",
  )
  .action(async () => {
    const token = process.env.HCLOUD_TOKEN;
    if (token === undefined)
      throw new Error("HCLOUD_TOKEN: missing; a read-only token of any Hetzner project is enough");
    const before = serverTypeFile;
    const after = await readServerTypes(new Cloud({ token }), before, new Date());
    process.stdout.write(`${writeServerTypes(projectDir, before, after)}\n`);
  });

if (import.meta.main) {
  // The reader of the output may stop early (head).
  process.stdout.on("error", () => process.exit());
  program.parseAsync().catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  });
}
