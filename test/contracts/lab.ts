/** Runs the cases on the lab's providers. */
import { ProviderClient } from "../../lab/pulumi/engine/provider-client.ts";
import { providerPackages } from "../../lab/pulumi/providers/index.ts";
import { serveProvider } from "../../lab/pulumi/providers/serve.ts";
import { askAbout, askAll, steady, targetOf } from "./ask.ts";
import type { Backend } from "./backends.ts";
import { compareCase, type Difference } from "./compare.ts";
import { type Recording, succeeded, type TypeCases } from "./format.ts";

/** A difference in one case of a type. */
export interface FoundDifference extends Difference {
  readonly type: string;
  readonly name: string;
}

async function withLabProvider<T>(
  plugin: string,
  settings: Backend["settings"],
  work: (client: ProviderClient) => Promise<T>,
): Promise<T> {
  const found = providerPackages.find(({ name }) => name === plugin);
  if (found === undefined) throw new Error(`the lab has no provider "${plugin}"`);
  const client = new ProviderClient(await serveProvider(found));
  try {
    const type = `pulumi:providers:${plugin}`;
    client.configure(
      { urn: `urn:pulumi:dev::berth::${type}::default`, type, name: "default" },
      plugin,
      "default",
      settings,
      true,
    );
    await client.isConfigured();
    return await work(client);
  } finally {
    await client.close();
  }
}

/** The whole life of every case by the lab's provider, compared with the recording. */
export async function compareLives(
  type: TypeCases,
  recording: Recording,
  backend: Backend,
): Promise<FoundDifference[]> {
  return withLabProvider(type.plugin, backend.settings, async (client) => {
    const differences: FoundDifference[] = [];
    for (const contract of type.cases) {
      const real = recording.cases[contract.name];
      if (real === undefined)
        throw new Error(`${type.type}: "${contract.name}" is not recorded; see test/contracts/README.md`);
      const answer = await askAll(client, type.type, contract, backend.things);
      const found = compareCase(real, steady(answer, type, backend.things));
      differences.push(...found.map((each) => ({ type: type.type, name: contract.name, ...each })));
    }
    return differences;
  });
}

/** Settings for questions that contact nothing. */
const offlineSettings: Readonly<Record<string, Backend["settings"]>> = {
  hcloud: { token: "t".repeat(64), endpoint: "http://127.0.0.1:1" },
};

/** What the lab's provider makes of the states that the real plugin wrote, compared with what that made of them. */
export async function compareTakeover(type: TypeCases, recording: Recording): Promise<FoundDifference[]> {
  const { things } = recording;
  return withLabProvider(type.plugin, offlineSettings[type.plugin] ?? {}, async (client) => {
    const differences: FoundDifference[] = [];
    for (const contract of type.cases) {
      const real = recording.cases[contract.name];
      if (real === undefined)
        throw new Error(`${type.type}: "${contract.name}" is not recorded; see test/contracts/README.md`);
      const first = await client.check(
        targetOf(type.type, contract),
        {},
        contract.inputs(things),
        false,
        Buffer.alloc(16),
      );
      const created = succeeded(real.created) ? real.created : undefined;
      const about =
        created === undefined
          ? {}
          : await askAbout(client, type.type, contract, things, { ...created, inputs: real.check.inputs });
      const again = succeeded(real.read)
        ? (await askAbout(client, type.type, { ...contract, changes: {} }, things, real.read)).unchanged
        : undefined;
      const unchangedAfterRead = again === undefined ? {} : { unchangedAfterRead: again };
      const answer = steady({ check: first, changes: {}, ...about, ...unchangedAfterRead }, type, things);
      const found = compareCase(real, answer);
      differences.push(...found.map((each) => ({ type: type.type, name: contract.name, ...each })));
    }
    return differences;
  });
}
