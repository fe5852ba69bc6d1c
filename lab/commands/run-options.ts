import { type Command, Option } from "commander";
import { engineNames, providersNames } from "./engine.ts";

export function withStack(command: Command): Command {
  return command.option("--stack <name>", "the stack file, Pulumi.<name>.yaml", "production");
}

/** How a run is made. */
export function withEngine(command: Command): Command {
  return command
    .addOption(
      new Option("--engine <name>", "the lab's own engine, or the pulumi on the PATH")
        .choices(engineNames)
        .default("lab"),
    )
    .addOption(
      new Option("--providers <whose>", "the lab's own providers, or Pulumi's real plugins, on either engine")
        .choices(providersNames)
        .default("lab"),
    );
}

/** What a run is about: for `up`, `preview` and whatever else converges. */
export function withRunOptions(command: Command): Command {
  return withEngine(withStack(command))
    .option(
      "--set <key=value>",
      "one configuration value for this run, as in togather:app.version=v1.1.0",
      collect,
      [],
    )
    .option("--image <image=reference>", "an image of yours, as in togather/app=my-build:latest", collect, [])
    .option("--acme", "certificates by ACME, from Pebble in the lab, instead of the lab's own authority")
    .option("--backups", "backups that leave the machine, to a store of the lab; otherwise there are none")
    .option("--rotate <key>", "a new value for a secret, as in togather:jwtSecret", collect, []);
}

function collect(value: string, earlier: string[]): string[] {
  return [...earlier, value];
}
