import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createHttp2Server } from "node:http2";

/**
 * A service behind the edge, in its own container: replies on every path with the service and the request. A path that ends with
 * `/stream` sends a line at once and one after a second, with `/silent/<seconds>` it answers after that time, with `/status/<code>` by
 * that status, with `/vanish` it closes the connection without an answer and with `/vanished` it says how often it did; an upgrade
 * echoes what it gets. Arguments: its name and its ports, HTTP/2 in clear text on those that end with `/h2c`.
 */
const [name = "", ...ports] = process.argv.slice(2);

let vanished = 0;

for (const each of ports) {
  const [port, protocol] = each.split("/");
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    let bytes = 0;
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
    });
    request.on("end", () => {
      const { httpVersion, url: path, headers } = request;
      const said = { name, port: Number(port), path, bytes, headers, httpVersion, vanished };
      const [what, argument] =
        /(stream|silent|status|vanish)\/?(\d*)$/.exec((path ?? "").split("?", 1)[0] ?? "")?.slice(1) ?? [];
      if (what === "stream") {
        response.write("first\n");
        setTimeout(() => response.end("second\n"), 1000);
        return;
      }
      if (what === "vanish") {
        vanished += 1;
        request.socket.destroy();
        return;
      }
      if (what === "status") response.statusCode = Number(argument);
      setTimeout(() => response.end(JSON.stringify(said)), what === "silent" ? Number(argument) * 1000 : 0);
    });
  };
  if (protocol === "h2c") {
    createHttp2Server((request, response) => {
      let bytes = 0;
      request.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
      });
      request.on("end", () =>
        response.end(JSON.stringify({ name, path: request.url, bytes, httpVersion: request.httpVersion })),
      );
    }).listen(Number(port));
    continue;
  }
  const server = createServer(answer);
  server.on("upgrade", (_request, socket) => {
    socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    socket.pipe(socket);
  });
  server.listen(Number(port));
}
