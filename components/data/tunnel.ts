import { spawn } from "node:child_process";
import { createServer, type Socket } from "node:net";
import { all, RunError, runtime } from "@pulumi/pulumi";
import { type Connection, shellQuote, sshOptions } from "../host/connection.ts";

export interface TunnelArgs {
  /** Unix socket on the host. */
  readonly remoteSocket: string;
  /** Fixed port on this machine: it is part of the provider's configuration, a changing one would show as a change. */
  readonly localPort: number;
  /** What it leads to, for messages. */
  readonly service: string;
}

/** How ssh reaches the host, once that is known. */
type Target = Promise<readonly string[]>;

/**
 * The way to a database that publishes no port: a listener on loopback whose every connection is a session of the shared
 * SSH connection, joined to the database's unix socket. It listens as long as the program runs, which is until the engine's
 * last step, and dials only when somebody connects: a run that does not touch the database opens nothing, nor does a preview,
 * unless it refreshes. A taken port ends the program before anything is changed; a preview beside a run goes on.
 */
export function openTunnel(connection: Connection, args: TunnelArgs): void {
  const target: Target = new Promise((resolve) => {
    all([connection.address, sshOptions(connection)]).apply(([address, options]) =>
      resolve([...options, "-p", String(connection.port), `${connection.user}@${address}`]),
    );
  });
  const listening = listenForTunnel(args, target);
  // Otherwise nobody awaits it: a rejection is the program's own failure, and Pulumi prints its message.
  if (runtime.isDryRun()) listening.catch(() => undefined);
}

/**
 * The listening side of the tunnel.
 * @throws RunError when the port is taken.
 */
export function listenForTunnel(args: TunnelArgs, target: Target): Promise<void> {
  const server = createServer((client) => {
    void target.then((ssh) => join(client, ssh, args.remoteSocket));
  });
  // The engine decides when the program ends.
  server.unref();
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) =>
      reject(
        error.code === "EADDRINUSE"
          ? new RunError(
              `127.0.0.1:${args.localPort} is taken; it is needed to reach ${args.service}. ` +
                `Another deploy on this machine? See: ss -ltnp 'sport = :${args.localPort}'`,
            )
          : error,
      ),
    );
    server.listen(args.localPort, "127.0.0.1", resolve);
  });
}

function join(client: Socket, ssh: readonly string[], remoteSocket: string): void {
  const session = spawn("ssh", [...ssh, `nc -U ${shellQuote(remoteSocket)}`], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  client.pipe(session.stdin);
  session.stdout.pipe(client);
  const end = () => {
    client.destroy();
    session.kill();
  };
  for (const side of [client, session, session.stdin, session.stdout]) side.on("error", end);
  client.on("close", end);
  session.on("exit", end);
  session.unref();
}
