import { createHash } from "node:crypto";
import type { Server } from "node:http";
import type { HttpService } from "../application.ts";

const textFrame = 0x81;
const closeOpcode = 8;

/**
 * WebSocket (RFC 6455) as far as a rehearsal needs it: the handshake, texts below 126 bytes sent back, the end. An origin that is not
 * listed gets 403, as Phoenix' check_origin answers it.
 */
export function serveWebSocket(
  server: Server,
  { path, origins }: NonNullable<HttpService["webSocket"]>,
): void {
  server.on("upgrade", ({ headers, url = "" }, socket) => {
    const refuse = (status: string) => socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`);
    socket.on("error", () => socket.destroy());
    if (url.split("?")[0] !== path) return refuse("404 Not Found");
    if (headers.origin !== undefined && !origins.includes(headers.origin)) return refuse("403 Forbidden");
    const accept = createHash("sha1")
      .update(`${headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest("base64");
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    socket.on("data", (frame: Buffer) => {
      if (((frame[0] ?? 0) & 0x0f) === closeOpcode) return socket.end();
      const length = (frame[1] ?? 0) & 0x7f;
      const [mask, masked] = [frame.subarray(2, 6), frame.subarray(6, 6 + length)];
      const text = masked.map((byte, at) => byte ^ (mask[at % 4] ?? 0));
      socket.write(Buffer.concat([Buffer.from([textFrame, text.length]), text]));
    });
  });
}
