import { createServer } from "node:http";

/**
 * A service behind the edge, as a container of its own: says on every path who was asked what. A path that ends with `/stream` sends
 * a line at once and one after a second, with `/silent/<seconds>` it answers after that time, with `/status/<code>` by that status; an
 * upgrade echoes what it gets. Arguments: its name and its ports.
 */
const [name = "", ...ports] = process.argv.slice(2);

for (const port of ports) {
  const server = createServer((request, response) => {
    let bytes = 0;
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
    });
    request.on("end", () => {
      const said = { name, port: Number(port), path: request.url, bytes, headers: request.headers };
      const [what, argument] = /(stream|silent|status)\/?(\d*)$/.exec(request.url ?? "")?.slice(1) ?? [];
      if (what === "stream") {
        response.write("first\n");
        setTimeout(() => response.end("second\n"), 1000);
        return;
      }
      if (what === "status") response.statusCode = Number(argument);
      setTimeout(() => response.end(JSON.stringify(said)), what === "silent" ? Number(argument) * 1000 : 0);
    });
  });
  server.on("upgrade", (_request, socket) => {
    socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    socket.pipe(socket);
  });
  server.listen(Number(port));
}
