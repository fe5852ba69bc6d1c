import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { loadMix } from "../../apps/index.ts";
import { labContext, planRun } from "../../commands/context.ts";
import { type LabHome, labHome } from "../../home.ts";
import { type Load, type LoadReport, type LoadRequest, startLoad } from "../../load/index.ts";
import { authorityFile } from "../../stack/certificate.ts";
import {
  comparisonFolder,
  comparisonServer,
  composeSetupsOf,
  deployCompose,
  prepareCompose,
  removeComparisonServer,
  type ScriptResult,
} from "./setup.ts";

/** One deploy of one version by one of the setups, under load. */
export interface Comparison {
  readonly setup: string;
  /** What the version does. */
  readonly what: string;
  readonly version: string;
  readonly deploySeconds: number;
  readonly exitCode: number;
  /** The message to the operator, reduced to its text. */
  readonly told: string;
  readonly load: LoadReport;
  /** The version that answers at the end, and its failure rate. */
  readonly servesAfterwards: string;
  /** Seconds from the rollback command to the last failed request; only if requests still failed. */
  readonly backSeconds?: number;
}

export interface ComparisonReport {
  readonly at: string;
  readonly processors: number;
  readonly requestsPerSecond: number;
  readonly comparisons: readonly Comparison[];
}

interface CompareOptions {
  readonly stack: string;
  /** Default: the stack's first system with a folder `compare`. */
  readonly system?: string;
  /** Versions to deploy, of those that are compared; default: all. */
  readonly versions?: readonly string[];
  /** Other settings of every `up`, `key=value`. */
  readonly settings?: readonly string[];
  readonly requestsPerSecond: number;
  /** Ends the lab; otherwise only the second server is removed. */
  readonly endLab: boolean;
  readonly progress: (message: string) => void;
}

/** One setup that runs the system, at a working version. */
interface Setup {
  readonly name: string;
  readonly address: string;
  deploy(version: string): Promise<ScriptResult>;
}

const firstVersion = "v1.0.0";
const goodVersion = "v1.1.0";
const cases = [
  { what: "a good version", version: goodVersion },
  { what: "never becomes healthy", version: "broken-health-1" },
  { what: "never starts", version: "broken-start-1" },
  { what: "dies under load", version: "broken-after-1" },
] as const;

/** Seconds of load before the deploy, as a baseline. */
const calmSeconds = 5;
/** Minimum seconds that every deploy is measured from its command on, and seconds after its end. */
const watchSeconds = 45;
const afterSeconds = 10;
/** Seconds at the end that count as "afterwards". */
const endSeconds = 5;
const commandSeconds = 900;
const projectDir = fileURLToPath(new URL("../../..", import.meta.url));

/**
 * Deploys the same versions by Berth and by `docker stack deploy` with each of the system's compose files, each on a separate server under the same load, one after the other: two loads at once would overload a small machine.
 */
export async function runComparison(options: CompareOptions): Promise<ComparisonReport> {
  process.env.BERTH_LAB ??= "bench";
  process.env.BERTH_LAB_SUBNET ??= "198.18.250.0/24";
  const home = labHome();
  const set = [
    "--stack",
    options.stack,
    ...(options.settings ?? []).flatMap((setting) => ["--set", setting]),
  ];
  const about = { stack: options.stack, set: options.settings ?? [] };
  const named = options.system === undefined ? [] : [options.system];
  const planned = planRun(labContext(), about, named);
  const system = options.system ?? planned.systems.find((name) => existsSync(comparisonFolder(name)));
  if (system === undefined) {
    throw new Error(`no system of the stack ${options.stack} has a folder lab/apps/<system>/compare`);
  }
  const withVersion = (version: string) => [...set, "--set", `${system}:app.version=${version}`];
  const wanted = cases.filter(({ version }) => options.versions?.includes(version) ?? true);
  try {
    for (const version of [firstVersion, ...wanted.map((each) => each.version)]) {
      options.progress(`building images: ${version}`);
      await must(["preview", system, ...withVersion(version)]);
    }
    options.progress("Berth's server");
    await must(["up", system, ...withVersion(firstVersion)]);
    const { address, domain } = await berthAddress(options.stack, system);
    const setups: (() => Promise<Setup>)[] = [
      async () => ({
        name: "Berth",
        address,
        deploy: (version) => lab(["up", system, ...withVersion(version)]),
      }),
      ...composeSetupsOf(system).map((setup) => async () => {
        options.progress(setup.name);
        const server = await comparisonServer(home, "cx33");
        await prepareCompose(home, server, {
          stack: options.stack,
          system,
          setup,
          version: firstVersion,
          versionOf: (image) =>
            planned.images.find(({ name }) => [image, `${system}/${image}`].includes(name))?.version ?? "",
        });
        return {
          name: setup.name,
          address: server.address,
          deploy: (to: string) => deployCompose(server, system, setup, to),
        };
      }),
    ];
    const comparisons: Comparison[] = [];
    for (const make of setups) {
      const setup = await make();
      for (const each of wanted) {
        options.progress(`${setup.name}: ${each.what} (${each.version})`);
        comparisons.push(await compareOne(home, setup, domain, each, loadMix(system), options));
      }
    }
    return {
      at: new Date().toISOString(),
      processors: navigator.hardwareConcurrency,
      requestsPerSecond: options.requestsPerSecond,
      comparisons,
    };
  } finally {
    options.progress(options.endLab ? "ending the lab" : "removing the second server");
    if (options.endLab) await must(["down"]);
    else await removeComparisonServer(home);
  }
}

async function compareOne(
  home: LabHome,
  setup: Setup,
  domain: string,
  { what, version }: (typeof cases)[number],
  requests: readonly LoadRequest[],
  options: CompareOptions,
): Promise<Comparison> {
  const put = () => underLoad(home, setup.address, domain, requests, options.requestsPerSecond);
  const load = await put();
  await sleep(calmSeconds * 1000);
  const began = performance.now();
  const { exitCode, output } = await setup.deploy(version);
  const deploySeconds = (performance.now() - began) / 1000;
  await sleep(Math.max(watchSeconds - deploySeconds, afterSeconds) * 1000);
  const report = await load.stop();

  let backSeconds: number | undefined;
  const end = ending(report);
  if (version !== goodVersion) {
    const failing = end.failures > 0;
    const second = failing ? await put() : undefined;
    const from = performance.now();
    // The load counts from a second after its start, when its clients are running.
    if (second !== undefined) await sleep(2000);
    const startSecond = (performance.now() - from) / 1000 - 1;
    const back = await setup.deploy(goodVersion);
    // Recorded as a result; the comparison continues, and the next case shows which version serves.
    if (back.exitCode !== 0)
      options.progress(`${setup.name} does not go back to ${goodVersion}: ${back.output}`);
    if (second !== undefined) {
      await sleep(afterSeconds * 1000);
      const { lastFailureSecond } = await second.stop();
      backSeconds = round(Math.max(0, (lastFailureSecond ?? startSecond) - startSecond));
    }
  }
  return {
    setup: setup.name,
    what,
    version,
    deploySeconds: round(deploySeconds),
    exitCode,
    told: told(output),
    load: report,
    servesAfterwards: end.text,
    ...(backSeconds === undefined ? {} : { backSeconds }),
  };
}

/** Result of the last seconds of a load. */
function ending(report: LoadReport): { readonly failures: number; readonly text: string } {
  const last = report.timeline.slice(-endSeconds);
  const failures = last.reduce((sum, second) => sum + second.failures, 0);
  const requests = last.reduce((sum, second) => sum + second.requests, 0);
  const versions = report.versions
    .filter(({ lastSecond }) => lastSecond >= report.seconds - endSeconds)
    .map(({ version }) => version);
  if (failures === 0) return { failures, text: versions.join(" and ") };
  const percent = Math.round((failures / requests) * 100);
  const who = versions.length === 0 ? "nothing" : versions.join(" and ");
  return { failures, text: `${who}; ${percent} % fail` };
}

/** The lines of a command's output that contain its result. */
function told(output: string): string {
  // Removes the path of the lab's authority, which differs between machines.
  const lines = output.split("\n").map((line) => line.trim().replace(/ To trust the lab .*/, ""));
  const saying = lines.filter((line) =>
    /did not become healthy|did not survive|Last seen|stays? where|update failed|not converged|^deployed |takes no requests|does not answer|^Up in /.test(
      line,
    ),
  );
  return (
    [...new Set(saying)].slice(0, 4).join(" ") ||
    lines
      .filter((line) => line !== "")
      .slice(-1)
      .join("")
  );
}

function underLoad(
  home: LabHome,
  address: string,
  domain: string,
  requests: readonly LoadRequest[],
  rate: number,
): Promise<Load> {
  return startLoad({
    home,
    address,
    domain,
    requests,
    caPem: readFileSync(authorityFile(home), "utf8"),
    seconds: 3600,
    requestsPerSecond: rate,
    clients: 2,
  });
}

async function berthAddress(
  stack: string,
  wanted: string,
): Promise<{ readonly address: string; readonly domain: string }> {
  const { output } = await must(["status", "--stack", stack, "--json"]);
  const { systems } = JSON.parse(output) as {
    systems: { name: string; address: string; urls: string[] }[];
  };
  const system = systems.find(({ name }) => name === wanted);
  if (system === undefined) throw new Error(`${wanted} does not run in the stack ${stack}`);
  return { address: system.address, domain: new URL(system.urls[0] ?? "").hostname };
}

async function lab(args: readonly string[]): Promise<ScriptResult> {
  const json = args.includes("--json");
  const result = await execa(process.execPath, [join(projectDir, "lab/cli.ts"), ...args], {
    cwd: projectDir,
    reject: false,
    all: true,
    stdin: "ignore",
    timeout: commandSeconds * 1000,
  });
  return { exitCode: result.exitCode ?? 255, output: json ? result.stdout : result.all };
}

async function must(args: readonly string[]): Promise<ScriptResult> {
  const result = await lab(args);
  if (result.exitCode !== 0) throw new Error(`lab ${args.join(" ")} failed:\n${result.output.slice(-4000)}`);
  return result;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
