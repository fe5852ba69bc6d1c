import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { clientNamespace } from "../../../lab/docker/index.ts";
import { home, stack } from "../support.ts";
import { set } from "../systems.ts";

/** Airtable, OpenAI and a mail server as MFA sees them: a process with an address of its own on the lab's outside network. */
export interface Outside {
  readonly address: string;
  /** What leads MFA to it, for each `up`. */
  readonly options: readonly string[];
  close(): Promise<void>;
}

const ports = { http: 8080, mail: 2525 };

export async function openOutside(index: number): Promise<Outside> {
  const namespace = await clientNamespace(home, index);
  const script = fileURLToPath(new URL("outside-process.ts", import.meta.url));
  const child = namespace.exec(process.execPath, [script, String(ports.http), String(ports.mail)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await new Promise<void>((resolve, reject) => {
    child.stdout?.once("data", () => resolve());
    child.once("error", reject).once("exit", (code) => reject(new Error(`it ended with ${code}`)));
  });
  // Where the lab keeps what a person would set: host and port of the mail server are secrets.
  const path = join(home.stateDir, `secrets-${stack}.json`);
  const secrets = JSON.parse(readFileSync(path, "utf8")) as Record<string, string>;
  const mail = { "mfa:smtpServer": namespace.address, "mfa:smtpPort": String(ports.mail) };
  writeFileSync(path, JSON.stringify({ ...secrets, ...mail }), { mode: 0o600 });
  const url = `http://${namespace.address}:${ports.http}`;
  return {
    address: namespace.address,
    options: set(
      `mfa:app.environment={"OPENAI_BASE_URL":"${url}/v1","AIRTABLE_ENDPOINT_URL":"${url}"}`,
      `mfa:worker.environment={"AIRTABLE_ENDPOINT_URL":"${url}"}`,
    ),
    close: () => namespace.close(),
  };
}
