import { Secret } from "../../../lab/pulumi/engine/values.ts";
import type { TypeCases } from "../format.ts";

/** Commands as the program has them: the script on standard input, secrets there too, nothing logged. */
export const command: TypeCases = {
  plugin: "command",
  type: "command:local:Command",
  cases: [
    {
      name: "that says something",
      inputs: () => ({
        interpreter: ["/bin/sh", "-c"],
        create: "cat; echo error >&2",
        stdin: "said",
        logging: "none",
        environment: { GREETING: "hello" },
      }),
      changes: {
        "another text": (inputs) => ({ ...inputs, stdin: "said again" }),
        "another environment": (inputs) => ({ ...inputs, environment: { GREETING: "bye" } }),
        "another interpreter": (inputs) => ({ ...inputs, interpreter: ["/bin/bash", "-c"] }),
        "no environment": ({ environment, ...inputs }) => inputs,
        "a trigger": (inputs) => ({ ...inputs, triggers: ["1"] }),
        "a deletion": (inputs) => ({ ...inputs, delete: "echo gone" }),
        "an update": (inputs) => ({ ...inputs, update: "echo updated" }),
      },
      carriedOut: ["another text", "an update"],
    },
    {
      name: "with a trigger",
      inputs: () => ({ create: "echo once", triggers: ["1", { two: 2 }] }),
      changes: {
        "another trigger": (inputs) => ({ ...inputs, triggers: ["2", { two: 2 }] }),
        "no trigger": ({ triggers, ...inputs }) => inputs,
      },
    },
    {
      name: "with a secret on standard input",
      inputs: () => ({ create: "cat", stdin: new Secret("canary-91c2"), logging: "none" }),
      changes: { "another secret": (inputs) => ({ ...inputs, stdin: new Secret("canary-72b1") }) },
      carriedOut: ["another secret"],
    },
    {
      name: "that sees what it printed before",
      inputs: () => ({ create: "echo first", update: 'echo "before: $PULUMI_COMMAND_STDOUT"' }),
      changes: { again: (inputs) => ({ ...inputs, dir: "/" }) },
      carriedOut: ["again"],
    },
    { name: "that fails", inputs: () => ({ create: "echo out; echo why >&2; exit 3" }) },
    { name: "whose deletion fails", inputs: () => ({ create: "true", delete: "echo stuck >&2; exit 4" }) },
    { name: "that does nothing", inputs: () => ({ update: "echo updated" }) },
    { name: "with an unknown logging", inputs: () => ({ create: "true", logging: "loud" }) },
    { name: "with an input that does not exist", inputs: () => ({ create: "true", shell: "sh" }) },
    { name: "with a list for a command", inputs: () => ({ create: ["true"] }) },
  ],
};
