import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { z } from "zod";
import { cloudInit } from "../../../components/host/cloud-init.ts";
import { shellQuote } from "../../../components/host/connection.ts";
import { deployUser } from "../../../components/host/host-files.ts";
import type { LabHome } from "../../home.ts";
import { registryHost } from "../../images/index.ts";
import { stackCertificate } from "../../stack/certificate.ts";
import { cloudEndpoint, cloudToken } from "../../stack/cloud-access.ts";
import { generatedSecrets } from "../../stack/generated-secrets.ts";
import { labSshKey } from "../../stack/ssh-key.ts";

/** A second server of the lab, with the same type and user data as Berth's, for the compose setups. */
interface ComparisonServer {
  readonly address: string;
  /** Runs a bash script there as the deploy user; does not throw when the script fails. */
  run(
    script: string,
    parameters: Readonly<Record<string, string>>,
    timeoutSeconds: number,
  ): Promise<ScriptResult>;
}

export interface ScriptResult {
  readonly exitCode: number;
  readonly output: string;
}

const composeSetups = z.array(
  z.strictObject({
    /** For the report. */
    name: z.string(),
    stackFile: z.string(),
    /** What the edge's container reads beside certificate and key; `DOMAIN` in it are the stack's domains. */
    edgeFile: z.string(),
    /** The pipeline has the edge read its configuration again. */
    reload: z.boolean(),
    /** Variables of the stack file. Those that are not here are made up, but for versions of images. */
    environment: z.record(z.string(), z.string()).default({}),
  }),
);
/** One way to run a system with `docker stack deploy`. */
export type ComposeSetup = z.infer<typeof composeSetups>[number];

/**
 * The folder with a system's compose setups: `lab/apps/<system>/compare` with `setups.json`, the files that it names, and `hooks.sh` with the functions
 * `prepare_database` and `before_deploy`.
 */
export function comparisonFolder(system: string): string {
  return fileURLToPath(new URL(`../../apps/${system}/compare`, import.meta.url));
}

const serverName = "comparison";
const sshPort = 22;
const bootSeconds = 180;
const prepareSeconds = 300;
const readText = (system: string, name: string) => readFileSync(join(comparisonFolder(system), name), "utf8");

/** The setups that a system is compared with. */
export function composeSetupsOf(system: string): ComposeSetup[] {
  return composeSetups.parse(JSON.parse(readText(system, "setups.json")));
}

const script = (system: string, name: string) =>
  readText(system, "hooks.sh") + readFileSync(new URL(`./scripts/${name}`, import.meta.url), "utf8");

/** Boots the server, or reuses the one of an earlier run. */
export async function comparisonServer(home: LabHome, serverType: string): Promise<ComparisonServer> {
  const { publicKey, identityFile } = await labSshKey(home.stateDir);
  const known = (await ask(home, "GET", `/servers?name=${serverName}`)) as { servers: ApiServer[] };
  let [server] = known.servers;
  if (server === undefined) {
    const key = await hostKey();
    const created = (await ask(home, "POST", "/servers", {
      name: serverName,
      server_type: serverType,
      image: "debian-13",
      location: "fsn1",
      user_data: cloudInit({
        image: "debian-13",
        authorizedKeys: [publicKey],
        hostKeyPrivate: key.privateKey,
        hostKeyPublic: key.publicKey,
        sshPorts: [sshPort],
        sshAllowedFrom: [],
        ipv6: false,
      }),
    })) as { server: ApiServer };
    server = created.server;
  }
  const address = server.public_net.ipv4.ip;
  const options = [
    // A new machine of this lab on a local bridge: no attacker can be in between.
    ...["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "BatchMode=yes"],
    ...["ConnectTimeout=5", "ControlPath=none", `IdentityFile=${identityFile}`, "IdentitiesOnly=yes"],
  ].flatMap((option) => ["-o", option]);
  const run: ComparisonServer["run"] = async (script, parameters, timeoutSeconds) => {
    const assignments = Object.entries(parameters).map(([name, value]) => `${name}=${shellQuote(value)}\n`);
    const result = await execa(
      "ssh",
      [...options, "-p", String(sshPort), `${deployUser}@${address}`, "bash -s"],
      {
        // In a function without standard input, so that no command reads the rest of the script.
        input: `${assignments.join("")}main() {\n${script}\n}\nmain </dev/null\n`,
        all: true,
        reject: false,
        timeout: timeoutSeconds * 1000,
      },
    );
    const exitCode = result.exitCode ?? 255;
    return {
      exitCode,
      output: result.timedOut ? `${result.all}\nno end within ${timeoutSeconds} s` : result.all,
    };
  };
  const deadline = Date.now() + bootSeconds * 1000;
  for (;;) {
    const { exitCode, output } = await run("docker info --format '{{.Swarm.LocalNodeState}}'", {}, 20);
    if (exitCode === 0 && output.trim() === "active") return { address, run };
    if (Date.now() > deadline)
      throw new Error(`the second server is not ready after ${bootSeconds} s: ${output}`);
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

/** Removes the server, if it exists. */
export async function removeComparisonServer(home: LabHome): Promise<void> {
  const { servers } = (await ask(home, "GET", `/servers?name=${serverName}`)) as { servers: ApiServer[] };
  for (const { id } of servers) await ask(home, "DELETE", `/servers/${id}`);
}

/** Installs a compose setup on the server and waits for its database. */
export async function prepareCompose(
  home: LabHome,
  server: ComparisonServer,
  options: {
    readonly stack: string;
    readonly system: string;
    readonly setup: ComposeSetup;
    readonly version: string;
    /** Version of another image of the stack: `nginx`, `postgres`. */
    readonly versionOf: (image: string) => string;
  },
): Promise<void> {
  const { system, setup, version } = options;
  const certificate = join(home.stateDir, `tls-${options.stack}.pem`);
  const domains = domainsOf(readFileSync(certificate, "utf8"));
  const { chainPem, privateKeyPem } = await stackCertificate(home, options.stack, domains);
  const secrets = generatedSecrets(home.stateDir, "comparison");
  const stackFile = readText(system, setup.stackFile);
  const environment: Record<string, string> = { ...setup.environment };
  for (const [, name = ""] of stackFile.matchAll(/\$\{(\w+)\}/g)) {
    if (["REGISTRY", "VERSION"].includes(name) || name in environment) continue;
    const image = /^(\w+)_VERSION$/.exec(name)?.[1];
    environment[name] =
      image === undefined
        ? secrets.get(`comparison:${name}`, { kind: "hex", bytes: 32 })
        : options.versionOf(image.toLowerCase());
  }
  const { exitCode, output } = await server.run(
    script(system, "prepare.sh"),
    {
      SYSTEM: system,
      REGISTRY: registry,
      VERSION: version,
      ENVIRONMENT_FILE: Object.entries(environment)
        .map(([name, value]) => `${name}=${value}\n`)
        .join(""),
      STACK_FILE: stackFile,
      EDGE_NAME: setup.edgeFile,
      EDGE_FILE: readText(system, setup.edgeFile).replaceAll("DOMAIN", domains.join(" ")),
      CERTIFICATE: chainPem,
      PRIVATE_KEY: privateKeyPem,
    },
    prepareSeconds,
  );
  if (exitCode !== 0) throw new Error(`the compose setup could not be made: ${output}`);
  const first = await deployCompose(server, system, setup, version);
  if (first.exitCode !== 0) throw new Error(`the compose setup does not come up: ${first.output}`);
}

/** Deploys a new version as a team's pipeline does. */
export function deployCompose(
  server: ComparisonServer,
  system: string,
  setup: ComposeSetup,
  version: string,
): Promise<ScriptResult> {
  const waitSeconds = 180;
  return server.run(
    script(system, "deploy.sh"),
    {
      SYSTEM: system,
      REGISTRY: registry,
      VERSION: version,
      RELOAD: setup.reload ? "yes" : "no",
      WAIT_SECONDS: String(waitSeconds),
    },
    waitSeconds + 60,
  );
}

const registry = `${registryHost}:5000`;

interface ApiServer {
  readonly id: number;
  readonly public_net: { readonly ipv4: { readonly ip: string } };
}

async function ask(home: LabHome, method: string, path: string, body?: object): Promise<unknown> {
  const response = await fetch(`${cloudEndpoint(home)}${path}`, {
    method,
    headers: { Authorization: `Bearer ${cloudToken(home)}`, "Content-Type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(60_000),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`the lab's cloud: ${method} ${path}: ${response.status} ${text}`);
  return JSON.parse(text);
}

async function hostKey(): Promise<{ readonly privateKey: string; readonly publicKey: string }> {
  const folder = mkdtempSync(join(tmpdir(), "berth-comparison-"));
  try {
    await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", join(folder, "key")]);
    const read = (name: string) => readFileSync(join(folder, name), "utf8");
    return { privateKey: read("key"), publicKey: read("key.pub").trim() };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The names of the stack's certificate. */
function domainsOf(pem: string): string[] {
  const names = new X509Certificate(pem).subjectAltName ?? "";
  return names
    .split(", ")
    .filter((name) => name.startsWith("DNS:"))
    .map((name) => name.slice("DNS:".length));
}
