import { readFileSync } from "node:fs";
import { type Answer, askEdge } from "./edge-client.ts";
import { ownHome } from "./own-lab.ts";
import { containerOf, minutes, systemLab } from "./system-lab.ts";

export { minutes };

/** A lab of connected-repo's own; certificates come from Pebble. */
export const domain = "api.connected-repo.example";
export const webapp = "https://app.connected-repo.example";
/** Where the test plays Google: the lab's own side of its bridge, which is no address of the internet. */
export const google = {
  address: ownHome("connected-repo").gateway,
  port: 18_524,
};

const settings = [
  ...["connected-repo:postgres.tunnelPort=15524", "togather:postgres.tunnelPort=15525"],
  `connected-repo:api.environment.GOOGLE_TOKEN_URL=http://${google.address}:${google.port}/token`,
];
export const { home, captured, labOk, down, running, onMachine } = systemLab({
  ...{ system: "connected-repo", host: "main" },
  options: ["--acme", ...settings.flatMap((each) => ["--set", each])],
});

export const sql = (text: string) =>
  onMachine(
    `docker exec ${containerOf("connected-repo_postgres")} psql --username postgres --dbname connected_repo -Atc '${text.replaceAll("'", `'"'"'`)}'`,
  );

/** Answers of one service's running tasks, or what else `docker service ps` says of them. */
export const tasks = async (slot: string, format = "{{.CurrentState}}") =>
  (await onMachine(`docker service ps --filter desired-state=running --format '${format}' ${slot}`)).split(
    "\n",
  );

/** Over TLS, the certificate checked against the lab's authority, straight to the machine's address. */
export function client({ address, caFile }: { readonly address: string; readonly caFile: string }) {
  const ca = readFileSync(caFile);
  return (
    method: string,
    path: string,
    { headers = {}, body }: { readonly headers?: Record<string, string>; readonly body?: object } = {},
  ): Promise<Answer> =>
    askEdge(address, domain, path, {
      ...{ method, headers: { host: domain, ...headers }, rejectUnauthorized: true, ca, timeout: 20_000 },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
}
