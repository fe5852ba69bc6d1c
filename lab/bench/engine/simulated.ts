import { isDeepStrictEqual } from "node:util";
import type { LabProvider, ProviderPackage } from "../../pulumi/providers/provider.ts";

/**
 * A provider that does nothing and returns at once, so that only the engine's own time is measured. Outputs are the inputs and a
 * `label`.
 */
export const simulatedPackage: ProviderPackage = {
  name: "simulated",
  version: "1.0.0",
  create(): LabProvider {
    let made = 0;
    return {
      configure: async () => {},
      check: async (_, news) => ({ inputs: news }),
      diff: async (_ref, _id, oldInputs, _oldOutputs, news) => ({
        changes: Object.keys({ ...oldInputs, ...news }).filter(
          (key) => !isDeepStrictEqual(oldInputs[key], news[key]),
        ),
        replaces: [],
      }),
      create: async ({ name }, inputs) => {
        made += 1;
        const id = `${name}-${process.pid}-${made}`;
        return { id, outputs: { ...inputs, label: id } };
      },
      read: async (_, id, inputs, outputs) => ({ id, inputs, outputs }),
      update: async (_ref, _id, _oldInputs, oldOutputs, news) => ({ ...news, label: oldOutputs.label }),
      delete: async () => {},
      invoke: async (token) => {
        throw new Error(`no function ${token}`);
      },
    };
  },
};
