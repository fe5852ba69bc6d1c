import { createServer } from "node:http";
import { createServer as createTcpServer } from "node:net";

/**
 * Run with a port for HTTP and one for mail: answers as Airtable's list of records, OpenAI's list of models and a mail server's
 * greeting do, each to whoever brings a token.
 */
const [, , httpPort, mailPort] = process.argv;

const http = createServer((request, response) => {
  const known = /^\/v0\/[^/]+\/Programs\?/.test(request.url ?? "")
    ? { records: [] }
    : request.url === "/v1/models"
      ? { object: "list", data: [] }
      : undefined;
  const status =
    known === undefined ? 404 : /^Bearer \S+$/.test(request.headers.authorization ?? "") ? 200 : 401;
  response.writeHead(status, { "Content-Type": "application/json" });
  response.end(JSON.stringify(status === 200 ? known : { error: status }));
});
const mail = createTcpServer((socket) => {
  socket.on("error", () => undefined).on("data", () => socket.end("221 bye\r\n"));
  socket.write("220 mail.example ESMTP\r\n");
});
http.listen(Number(httpPort), () => mail.listen(Number(mailPort), () => console.log("listening")));
