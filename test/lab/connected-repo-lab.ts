import { readFileSync } from "node:fs";
import { request } from "node:https";
import { execa } from "execa";
import { expect } from "vitest";
import { labHome } from "../../lab/home.ts";

/** A lab of connected-repo's own, driven by the commands that a person types; certificates come from Pebble. */
const root = new URL("../../", import.meta.url).pathname;
const env = { BERTH_LAB: "testrepo", BERTH_LAB_SUBNET: "198.18.24.0/24", BERTH_LAB_CANARY: "1" };
export const home = labHome({ ...process.env, ...env });
export const domain = "api.connected-repo.example";
export const webapp = "https://app.connected-repo.example";
/** Where the test plays Google: the lab's own side of its bridge, which is no address of the internet. */
export const google = { address: "198.18.24.1", port: 18_524 };
export const minutes = 60_000;

const settings = [
  ...["connected-repo:postgres.tunnelPort=15524", "togather:postgres.tunnelPort=15525"],
  `connected-repo:api.environment.GOOGLE_TOKEN_URL=http://${google.address}:${google.port}/token`,
];
/** Everything that any command has printed. */
export const captured: string[] = [];

/** Runs `npm run lab -- …`; `up` and `preview` with the settings of this lab and those given. */
async function lab(command: string, args: readonly string[], more: readonly string[] = []) {
  const own = ["up", "preview"].includes(command)
    ? ["--acme", ...[...settings, ...more].flatMap((each) => ["--set", each])]
    : [];
  const options = { cwd: root, env, all: true, reject: false, timeout: 20 * minutes } as const;
  const began = Date.now();
  const run = await execa(process.execPath, ["lab/cli.ts", command, ...args, ...own], options);
  captured.push(run.all);
  const seconds = ((Date.now() - began) / 1000).toFixed(1);
  process.stdout.write(
    `$ lab ${[command, ...args, ...more].join(" ")}  (exit ${run.exitCode}, ${seconds} s)\n`,
  );
  return run;
}

export async function labOk(command: string, args: readonly string[] = [], more: readonly string[] = []) {
  const { exitCode, all, stdout } = await lab(command, args, more);
  expect(exitCode, all.slice(-6000)).toBe(0);
  return stdout;
}

/** The same, whether or not there is anything to end. */
export const down = () => lab("down", []);

export interface Status {
  readonly systems: readonly {
    readonly name: string;
    readonly address: string;
    readonly caFile: string;
    readonly healthy: boolean;
    readonly services: readonly { readonly name: string; readonly version: string; readonly slot: string }[];
  }[];
}

/** A system as `lab status --json` shows it. */
export async function running(name = "connected-repo") {
  // It fails while a system is not healthy, which is for the test to say.
  const { stdout } = await lab("status", ["--json"]);
  const { systems } = JSON.parse(stdout) as Status;
  const system = systems.find((each) => each.name === name);
  if (system === undefined) throw new Error(`${name} does not run`);
  return { ...system, slot: system.services[0]?.slot ?? "", version: system.services[0]?.version ?? "" };
}

export const onMachine = async (script: string) => (await labOk("ssh", ["main", "--", script])).trim();

const containerOf = (service: string) => `$(docker ps --quiet --filter label=berth.resource=${service})`;
export const sql = (text: string) =>
  onMachine(
    `docker exec ${containerOf("connected-repo_postgres")} psql --username postgres --dbname connected_repo -Atc '${text.replaceAll("'", `'"'"'`)}'`,
  );

/** Answers of one service's running tasks, or what else `docker service ps` says of them. */
export const tasks = async (slot: string, format = "{{.CurrentState}}") =>
  (await onMachine(`docker service ps --filter desired-state=running --format '${format}' ${slot}`)).split(
    "\n",
  );

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** Over TLS, the certificate checked against the lab's authority, straight to the machine's address. */
export function client({ address, caFile }: { readonly address: string; readonly caFile: string }) {
  const ca = readFileSync(caFile);
  return (
    method: string,
    path: string,
    { headers = {}, body }: { readonly headers?: Record<string, string>; readonly body?: object } = {},
  ): Promise<Reply> =>
    new Promise((resolve, reject) => {
      const call = request(
        {
          ...{ host: address, servername: domain, path, method, timeout: 20_000, agent: false, ca },
          headers: { host: domain, ...headers },
        },
        (response) => {
          let said = "";
          response.setEncoding("utf8").on("data", (chunk: string) => {
            said += chunk;
          });
          response.on("end", () =>
            resolve({ status: response.statusCode ?? 0, headers: response.headers, body: said }),
          );
        },
      );
      call.on("error", reject).on("timeout", () => call.destroy(new Error(`${address} gives no answer`)));
      call.end(body === undefined ? undefined : JSON.stringify(body));
    });
}
