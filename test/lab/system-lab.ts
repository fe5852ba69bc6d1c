import { execa } from "execa";
import { expect } from "vitest";
import { labHome } from "../../lab/home.ts";
import { type LabName, ownLab } from "./own-lab.ts";

/** A lab of a test's own, driven by the commands that a person types. */

export const minutes = 60_000;

/** Whether a long file of the lab's tests is left out, such as a system's pass, which it prints. */
export function leftOutOfCi(what: string): boolean {
  const leftOut = process.env.CI !== undefined && process.env.BERTH_TEST_ALL === undefined;
  if (leftOut)
    process.stdout.write(
      `${what} in the lab: left out where CI is set: the build server has 30 minutes for everything; npm test runs it, or BERTH_TEST_ALL=1\n`,
    );
  return leftOut;
}

export interface Status {
  readonly machines: readonly { readonly sshPort: number }[];
  readonly systems: readonly {
    readonly name: string;
    readonly address: string;
    readonly caFile: string;
    readonly healthy: boolean;
    readonly services: readonly { readonly name: string; readonly version: string; readonly slot: string }[];
  }[];
}

/**
 * Its commands.
 * @param system of which `running` answers
 * @param host of the stack on which it runs
 * @param options of each `up` and `preview`
 */
export function systemLab(about: {
  readonly system: LabName;
  readonly host: string;
  readonly options: readonly string[];
}) {
  const root = new URL("../../", import.meta.url).pathname;
  const env = { ...ownLab(about.system), BERTH_LAB_CANARY: "1" };
  const captured: string[] = [];

  /** Runs `npm run lab -- …`; `up` and `preview` with the options of this lab and the settings given. */
  async function lab(command: string, args: readonly string[], settings: readonly string[] = []) {
    const own = ["up", "preview"].includes(command)
      ? [...about.options, ...settings.flatMap((each) => ["--set", each])]
      : [];
    const options = { cwd: root, env, all: true, reject: false, timeout: 20 * minutes } as const;
    const began = Date.now();
    const run = await execa(process.execPath, ["lab/cli.ts", command, ...args, ...own], options);
    captured.push(run.all);
    const seconds = ((Date.now() - began) / 1000).toFixed(1);
    process.stdout.write(
      `$ lab ${[command, ...args, ...settings].join(" ")}  (exit ${run.exitCode}, ${seconds} s)\n`,
    );
    return run;
  }

  async function labOk(command: string, args: readonly string[] = [], settings: readonly string[] = []) {
    const { exitCode, all, stdout } = await lab(command, args, settings);
    expect(exitCode, all.slice(-6000)).toBe(0);
    return stdout;
  }

  return {
    home: labHome({ ...process.env, ...env }),
    /** Everything that any command has printed. */
    captured,
    labOk,
    /** The same, whether or not there is anything to end. */
    down: () => lab("down", []),

    /** A system as `lab status --json` shows it, and the machines of the lab. */
    async running(name = about.system) {
      // It fails while a system is not healthy, which is for the test to say.
      const { stdout } = await lab("status", ["--json"]);
      const { machines, systems } = JSON.parse(stdout) as Status;
      const system = systems.find((each) => each.name === name);
      if (system === undefined) throw new Error(`${name} does not run`);
      const { slot = "", version = "" } = system.services[0] ?? {};
      return { ...system, machines, slot, version };
    },

    onMachine: async (script: string) => (await labOk("ssh", [about.host, "--", script])).trim(),
  };
}

/** The container of a service that runs, for a script on its host. */
export const containerOf = (service: string) =>
  `$(docker ps --quiet --filter label=berth.resource=${service} --filter status=running | head -n 1)`;
