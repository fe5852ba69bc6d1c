import { type Command, InvalidArgumentError } from "commander";
import type { Target } from "./target.ts";

interface Common {
  readonly stack: string;
}

/** `npm run ops -- exec | run | clear-cache | restart <system> <service>`: what an operator does with a service. */
export function addServiceCommands(
  program: Command,
  withStack: (command: Command) => Command,
  target: (options: Common) => Promise<Target>,
): void {
  // Loaded only when one of these commands runs, because it loads Pulumi's SDK.
  const load = () => import("./services.ts");
  const aboutService = (name: string) =>
    withStack(program.command(name).argument("<system>").argument("<service>"));

  aboutService("exec")
    .argument("<command...>", "after --")
    .description("run a command in a container of a service, with its variables and secrets")
    .action(async (system: string, service: string, words: string[], options: Common) => {
      const [{ execInService }, { backend }] = await Promise.all([load(), target(options)]);
      process.exitCode = await execInService(backend, { system, service }, words);
    });

  aboutService("run")
    .argument("<command...>", "after --")
    .description(
      "run a command once, in a job of its own with a service's image, variables and secrets; its exit code is this command's",
    )
    .option("--timeout <seconds>", "after which the job is ended", seconds, 3600)
    .action(
      async (
        system: string,
        service: string,
        words: string[],
        options: Common & { readonly timeout: number },
      ) => {
        const [{ runBesideService }, { backend }] = await Promise.all([load(), target(options)]);
        process.exitCode = await runBesideService(backend, { system, service }, words, options.timeout);
      },
    );

  aboutService("clear-cache")
    .description(
      "stop a service that keeps a cache from one release to the next, empty the cache, and start the service again",
    )
    .action(async (system: string, service: string, options: Common) => {
      const [{ clearCache }, { backend }] = await Promise.all([load(), target(options)]);
      process.stdout.write(`${await clearCache(backend, { system, service })}\n`);
    });

  aboutService("restart")
    .description("print the commands that restart a service without a gap")
    .action(async (system: string, service: string, options: Common) => {
      const [{ restartCommands }, { backend }] = await Promise.all([load(), target(options)]);
      const commands = await restartCommands(backend, { system, service }, new Date());
      process.stdout.write(
        `A restart is a release that changes only a time. Run:\n${commands.map((each) => `  ${each}\n`).join("")}`,
      );
    });
}

function seconds(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError("use whole seconds, 1 to 999999");
  return Number(text);
}
