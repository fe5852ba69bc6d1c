import { type ChildProcess, spawn } from "node:child_process";
import { createServer, type Server, type Socket } from "node:net";
import { hostPaths } from "../../components/host/paths.ts";
import { type LabContext, stateFile } from "./context.ts";
import { readOutputs } from "./outputs.ts";
import { sshArguments } from "./ssh.ts";

/**
 * Runs `work` with tunnels to the databases, like those of the program: a loopback port, as in the state, whose connections
 * are ssh sessions to the database's socket. If the host cannot be reached, connections are closed at once, and their users fail with
 * their own error.
 * @throws when a port is taken.
 */
export async function withTunnels<T>(context: LabContext, stack: string, work: () => Promise<T>): Promise<T> {
  const { hosts, systems, databases } = readOutputs(stateFile(context, stack));
  const sessions = new Set<ChildProcess>();
  const servers: Server[] = [];
  try {
    for (const [database, port] of Object.entries(databases)) {
      const hostName = systems[database.split("_")[0] ?? ""]?.host;
      const host = hostName === undefined ? undefined : hosts[hostName];
      if (hostName === undefined || host === undefined) continue;
      const socket = `${hostPaths.socket(database)}/.s.PGSQL.5432`;
      const args = [...sshArguments(context, hostName, host), `nc -U ${socket}`];
      servers.push(await listen(port, database, (client) => join(client, args, sessions)));
    }
    return await work();
  } finally {
    for (const server of servers) server.close();
    for (const session of sessions) session.kill();
  }
}

async function listen(
  port: number,
  service: string,
  onConnection: (client: Socket) => void,
): Promise<Server> {
  const server = createServer(onConnection);
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) =>
      reject(
        error.code === "EADDRINUSE"
          ? new Error(
              `127.0.0.1:${port} is taken; it is needed to reach ${service}. Another deploy on this machine? See: ss -ltnp 'sport = :${port}'`,
            )
          : error,
      ),
    );
    server.listen(port, "127.0.0.1", resolve);
  });
  return server;
}

function join(client: Socket, args: readonly string[], sessions: Set<ChildProcess>): void {
  const ssh = spawn("ssh", args, { stdio: ["pipe", "pipe", "ignore"] });
  sessions.add(ssh);
  client.pipe(ssh.stdin);
  ssh.stdout.pipe(client);
  const end = () => {
    client.destroy();
    ssh.kill();
    sessions.delete(ssh);
  };
  for (const side of [client, ssh, ssh.stdin, ssh.stdout]) side.on("error", end);
  client.on("close", end);
  ssh.on("exit", end);
}
