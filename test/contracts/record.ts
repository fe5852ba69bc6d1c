/** Records what the real plugins do: see README.md. */
import { delimiter } from "node:path";
import { Command } from "commander";
import { ProviderClient } from "../../lab/pulumi/engine/provider-client.ts";
import { providerPackages } from "../../lab/pulumi/providers/index.ts";
import { launchPlugin, requirePlugins } from "../../lab/pulumi/providers/plugin.ts";
import { askAll, steady, steadyThings } from "./ask.ts";
import { openBackend, type Places } from "./backends.ts";
import { contracts } from "./cases/index.ts";
import { writeRecording } from "./files.ts";
import type { CaseAnswer, TypeCases } from "./format.ts";

interface Options extends Places {
  readonly plugins?: string;
}

/** Starts a provider of its own for one type, on a backend of its own. */
async function recordType(type: TypeCases, path: string, places: Places): Promise<void> {
  const backend = await openBackend(type.plugin, places);
  if (backend === undefined) {
    console.log(`left out: ${type.type} (say where its backend is)`);
    return;
  }
  const client = new ProviderClient(await launchPlugin(path, () => undefined));
  try {
    const provider = `pulumi:providers:${type.plugin}`;
    const target = { urn: `urn:pulumi:dev::berth::${provider}::default`, type: provider, name: "default" };
    client.configure(target, type.plugin, "default", backend.settings, true);
    await client.isConfigured();
    const cases: Record<string, CaseAnswer> = {};
    for (const contract of type.cases) {
      const answer = await askAll(client, type.type, contract, backend.things);
      cases[contract.name] = steady(answer, type, backend.things);
    }
    const version = await client.version();
    writeRecording({
      type: type.type,
      plugin: `pulumi-resource-${type.plugin} ${version}`,
      backend: backend.name,
      date: new Date().toISOString().slice(0, 10),
      things: steadyThings(type, backend.things),
      cases,
    });
    console.log(`recorded ${type.type}: ${type.cases.length} cases`);
  } finally {
    await client.close();
    await backend.close();
  }
}

async function record(names: readonly string[], { plugins, ...places }: Options): Promise<void> {
  const wanted = contracts.filter(
    ({ type }) => names.length === 0 || names.some((name) => type.toLowerCase().includes(name.toLowerCase())),
  );
  const env = { ...process.env, PATH: [plugins, process.env.PATH].filter(Boolean).join(delimiter) };
  const used = new Set(wanted.map(({ plugin }) => plugin));
  const paths = requirePlugins(
    providerPackages.filter(({ name }) => used.has(name)),
    env,
  );
  for (const type of wanted) {
    try {
      await recordType(type, String(paths.get(type.plugin)), places);
    } catch (error) {
      process.exitCode = 1;
      console.error(`not recorded: ${type.type}: ${error instanceof Error ? error.stack : error}`);
    }
  }
}

await new Command()
  .option("--plugins <folder>", "where the real plugins are, before the PATH")
  .option("--docker <host>", "a Docker engine of its own that manages a Swarm: unix:///…")
  .option("--postgres <url>", "a PostgreSQL server of its own, as superuser: postgresql://…")
  .argument("[type...]", "parts of types' names; all when none is given")
  .action(record)
  .parseAsync();
