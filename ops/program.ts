import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Command, Option } from "commander";
import type { System } from "../components/system.ts";
import { goBack, renderBack } from "./back.ts";
import { addBackupCommands } from "./backup-commands.ts";
import { Cloud } from "./cloud.ts";
import { addDatabaseCommands, confirm } from "./database-commands.ts";
import { readDeployments, renderDeployments } from "./deployments.ts";
import { describeForgetting, forget, planForgetting, type VolumeChoice } from "./forget-host.ts";
import { type Level, levels, readLogs } from "./logs.ts";
import { recover, renderRecovery } from "./recover.ts";
import { restartDocker } from "./restart-docker.ts";
import { runCommand } from "./run.ts";
import { addServiceCommands } from "./service-commands.ts";
import { closeSsh, defaultRun, openFirewalls, openSsh, sshPorts } from "./ssh-access.ts";
import { readStatus } from "./status.ts";
import { renderStatus } from "./status-tables.ts";
import type { Target } from "./target.ts";
import { addZitadelCommands } from "./zitadel-commands.ts";

export const projectDir = join(import.meta.dirname, "..");

/** Loaded when needed, because they load Pulumi's SDK. */
export async function definitions(): Promise<readonly System[]> {
  return (await import("../stacks/index.ts")).systems;
}

interface TargetOptions {
  readonly stack: string;
}

interface RecoverFlags {
  readonly wait: number;
  readonly takeOverFrom?: string;
}

interface ForgetFlags {
  readonly volume?: VolumeChoice;
  readonly swarm?: boolean;
  readonly yes?: boolean;
}

interface LogOptions {
  readonly level?: Level;
  readonly since: string;
  readonly follow?: boolean;
}

/** The stack that the commands act on. */
interface OpsContext {
  /** The command line's name: `npm run ops --`. */
  readonly name: string;
  readonly target: (options: TargetOptions) => Promise<Target>;
}

/** The operator's commands: `recover`, `status`, `back`, … One set, for production and for the lab. */
export function opsProgram({ name, target }: OpsContext): Command {
  const program = new Command(name).description("Operate what Berth has deployed.");

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
    .addOption(
      new Option("--html [file]", "one page for a browser, to a file or to standard output").conflicts(
        "json",
      ),
    )
    .action(async (options: TargetOptions & { readonly json?: boolean; readonly html?: string | true }) => {
      const { html } = options;
      const status = await readStatus(await target(options), await definitions());
      if (html !== undefined) {
        const { statusPage } = await import("./status-page.ts");
        const page = statusPage(status, { stack: options.stack, time: new Date() });
        if (html === true) process.stdout.write(page);
        else writeFileSync(html, page);
      } else process.stdout.write(`${options.json ? JSON.stringify(status) : renderStatus(status)}\n`);
    });

  aboutStack(program.command("drift"))
    .description(
      "name what somebody changed by hand, in the cloud, in Docker, in the databases and of Berth's files; fails when there is something",
    )
    .option(
      "--forget",
      "record in the state that changed files are gone, so that the next up writes them again",
    )
    .action(async (options: TargetOptions & { readonly json?: boolean; readonly forget?: boolean }) => {
      const { fileDrift, forget, renderDrift, resourceDrift } = await import("./drift.ts");
      const { backend, cloud, refreshedPreview } = await target(options);
      const open = cloud === undefined ? [] : await openFirewalls(new Cloud(cloud), options.stack);
      const resources = refreshedPreview === undefined ? [] : resourceDrift(await refreshedPreview(), open);
      const files = await fileDrift(await backend.read(), runCommand);
      process.stdout.write(
        `${options.json ? JSON.stringify({ resources, files }) : renderDrift(resources, files)}\n`,
      );
      if (options.forget && files.length > 0) {
        await forget(backend, files);
        process.stderr.write("The next up writes these files again.\n");
      }
      const left = resources.length + (options.forget ? 0 : files.length);
      if (left > 0) process.exitCode = 1;
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
    .option("--newer-schema", "confirms that the old version works with the new schema")
    .action(
      async (
        system: string,
        service: string | undefined,
        options: TargetOptions & { readonly json?: boolean; readonly newerSchema?: boolean },
      ) => {
        const { newerSchema = false } = options;
        const report = await goBack((await target(options)).backend, system, service, { newerSchema });
        process.stdout.write(`${options.json ? JSON.stringify(report) : renderBack(report)}\n`);
      },
    );

  aboutStack(program.command("restart-docker"))
    .description(
      "start a host's Docker again, so that changed settings take effect: every service of the host is away meanwhile",
    )
    .argument("<host>")
    .action(async (host: string, options: TargetOptions) => {
      process.stdout.write(`${await restartDocker((await target(options)).backend, host)}\n`);
    });

  withStack(program.command("forget-host"))
    .description(
      "when a host's server is gone at Hetzner: takes it and what was on it out of the state, so that up makes it anew",
    )
    .argument("<host>")
    .addOption(
      new Option("--volume <choice>", "what becomes of its data volume, where that still exists").choices([
        "keep",
        "leave",
      ]),
    )
    .option("--swarm", "the server is there, and its Docker has lost its Swarm: forget what ran in it")
    .option("--yes", "do not ask")
    .action(async (host: string, options: TargetOptions & ForgetFlags) => {
      const { backend, cloud } = await target(options);
      const plan = await planForgetting({
        ...{ backend, host, swarm: options.swarm === true },
        ...(cloud === undefined ? {} : { cloud }),
        ...(options.volume === undefined ? {} : { volume: options.volume }),
      });
      process.stdout.write(`${describeForgetting(plan, host)}\n`);
      if (!options.yes) await confirm(`forget ${host}`);
      await forget(backend, plan);
      process.stdout.write(`${host} is forgotten. To make it anew: docs/runbooks/server-is-gone.md\n`);
    });

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

  aboutRun(program.command("ssh-open"))
    .description("let one more address in by SSH until ssh-close, by a firewall beside the program's own")
    .requiredOption("--from <address>", "the address, as in 203.0.113.7")
    .action(async (options: TargetOptions & { readonly run: string; readonly from: string }) => {
      const { stack, run, from } = options;
      const ports = sshPorts(projectDir, stack);
      const name = await openSsh(cloudOf(await target(options)), stack, { run, from, ports });
      process.stdout.write(`${name}: SSH (port ${ports.join(", ")}) of ${stack} is open for ${from}\n`);
    });

  aboutRun(program.command("ssh-close"))
    .description("close what ssh-open has opened, and what was left open for more than an hour")
    .action(async (options: TargetOptions & { readonly run: string }) => {
      const closed = await closeSsh(cloudOf(await target(options)), options.stack, options.run);
      process.stdout.write(`${closed.length === 0 ? "nothing was open" : `closed: ${closed.join(", ")}`}\n`);
    });

  addDatabaseCommands(program, aboutStack, target);
  addBackupCommands(program, aboutStack, withStack, target);
  addServiceCommands(program, withStack, target);
  addZitadelCommands(program, aboutStack, withStack, target);
  return program;
}

function aboutStack(command: Command): Command {
  return withStack(command).option("--json", "print JSON on standard output and nothing else there");
}

function withStack(command: Command): Command {
  return command.option("--stack <name>", "the stack", "production");
}

function aboutRun(command: Command): Command {
  return withStack(command).option("--run <name>", "whose access it is", defaultRun());
}

function cloudOf({ cloud }: Target): Cloud {
  if (cloud !== undefined) return new Cloud(cloud);
  throw new Error("no token for the cloud: set HCLOUD_TOKEN, or hcloud:token in the stack's configuration");
}
