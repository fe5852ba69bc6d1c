import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createHttp2Server, type ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";

export interface Listener {
  readonly server: Server;
  /** Accepts no more connections; `onClosed` when those that are open have ended. */
  close(onClosed: () => void): void;
  /** Ends every connection. */
  endAll(): void;
}

/** Longer than nginx keeps an idle connection to an upstream (60 s): so that the proxy always closes first and no request is lost. */
const keepAliveSeconds = 75;
/** How each connection of HTTP/2 begins (RFC 9113, 3.4). */
const preface = "PRI * HTTP/2.0";

/**
 * HTTP/1.1 alone, or HTTP/2 in clear text too, for clients that know of it beforehand: a connection's first bytes tell them apart, as
 * in Go's golang.org/x/net/http2/h2c.
 */
export function createListener(http2: boolean, answer: RequestListener): Listener {
  const server = createServer(answer);
  server.keepAliveTimeout = keepAliveSeconds * 1000;
  server.headersTimeout = (keepAliveSeconds + 5) * 1000;
  const sessions = http2 ? acceptHttp2(server, answer) : new Set<ServerHttp2Session>();
  return {
    server,
    close(onClosed) {
      server.close(onClosed);
      // The client is told that no more streams are taken (GOAWAY); those that are open are answered.
      for (const session of sessions) session.close();
    },
    endAll() {
      server.closeAllConnections();
      for (const session of sessions) session.destroy();
    },
  };
}

/** Passes connections of HTTP/2 to a server of their own. @returns those that are open. */
function acceptHttp2(server: Server, answer: RequestListener): ReadonlySet<ServerHttp2Session> {
  const sessions = new Set<ServerHttp2Session>();
  // Requests and responses of Node's compatibility API have what those of HTTP/1.1 have.
  const other = createHttp2Server({}, answer as never);
  other.on("session", (session) => {
    sessions.add(session);
    session.on("close", () => sessions.delete(session));
  });
  const accept = server.listeners("connection") as ((socket: Socket) => void)[];
  server.removeAllListeners("connection");
  server.on("connection", (socket: Socket) => {
    const fail = () => socket.destroy();
    socket.once("error", fail);
    socket.once("data", (first: Buffer) => {
      socket.off("error", fail).pause();
      socket.unshift(first);
      if (preface.startsWith(first.subarray(0, preface.length).toString("latin1"))) {
        socket.allowHalfOpen = false;
        other.emit("connection", socket);
        return;
      }
      for (const listener of accept) listener.call(server, socket);
      socket.resume();
    });
  });
  return sessions;
}
