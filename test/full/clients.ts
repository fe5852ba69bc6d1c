import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type ClientNamespace, clientNamespace, networkAddress } from "../../lab/docker/index.ts";
import { authorityFile } from "../../lab/stack/certificate.ts";
import { home, type RunningSystem } from "./support.ts";

/** Clients of the lab with their own addresses, like external clients. */

/** The address that client number `index` has. */
export const addressOf = (index: number): string => networkAddress(home, 100 + index);

export interface Said {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Client {
  readonly address: string;
  /** Runs a command in its network namespace. */
  run(command: string, args: readonly string[], input?: string): Promise<Said>;
  /** Statuses of `count` requests, sent as fast as possible on one connection. */
  ask(path: string, options?: { readonly count?: number; readonly curl?: string }): Promise<number[]>;
  /** Whether a TCP connection to a port of the machine is established within two seconds. */
  connects(port: number): Promise<boolean>;
  /** Every TCP port of the machine that answers. */
  scan(): Promise<number[]>;
  close(): Promise<void>;
}

export async function openClient(system: RunningSystem, index: number): Promise<Client> {
  const { address: machine, domain } = system;
  const namespace: ClientNamespace = await clientNamespace(home, index);
  const run: Client["run"] = (command, args, input = "") =>
    new Promise((resolve, reject) => {
      const child = namespace.exec(command, args, { stdio: ["pipe", "pipe", "pipe"] });
      let stdout = "";
      let stderr = "";
      child.stdout?.on("data", (chunk: Buffer) => {
        stdout += chunk.toString();
      });
      child.stderr?.on("data", (chunk: Buffer) => {
        stderr += chunk.toString();
      });
      child.on("error", reject).on("close", (exitCode) => resolve({ exitCode, stdout, stderr }));
      child.stdin?.on("error", () => undefined).end(input);
    });
  return {
    address: namespace.address,
    run,
    async ask(path, { count = 1, curl = "" } = {}) {
      const url = `https://${domain}${path}`;
      // By standard input: it may contain a key, and arguments are visible to everybody.
      const common = `silent\npath-as-is\nmax-time = 20\ncacert = "${authorityFile(home)}"\nresolve = "${domain}:443:${machine}"\n${curl}`;
      const one = `url = "${url}"\noutput = "/dev/null"\nwrite-out = "%{http_code}\\n"\n`;
      const config = Array.from({ length: count }, () => `${common}\n${one}`).join("next\n");
      const { stdout } = await run("curl", ["--config", "-"], config);
      return stdout.trim().split("\n").map(Number);
    },
    async connects(port) {
      const probe = await run("curl", [
        ...["--silent", "--output", "/dev/null", "--connect-timeout", "2", "--max-time", "2"],
        ...["--write-out", "%{time_connect}", `telnet://${machine}:${port}`],
      ]);
      return Number(probe.stdout) > 0;
    },
    async scan() {
      const script = fileURLToPath(new URL("port-scan.ts", import.meta.url));
      const { stdout, stderr } = await run(process.execPath, [script, machine]);
      if (stdout === "") throw new Error(`the scan said nothing: ${stderr}`);
      return JSON.parse(stdout) as number[];
    },
    close: () => namespace.close(),
  };
}

/** The trusted authorities, PEM. */
export const trust = (): string => readFileSync(authorityFile(home), "utf8");
