import { createConnection } from "node:net";

/**
 * Run in a client's namespace with an address: tries to connect to each of its 65,535 TCP ports and prints those that answer,
 * as JSON. Dropped packets get no answer, so the duration is the number of ports, divided by the parallel connections, times the time-out.
 */
const [, , address = ""] = process.argv;
const atOnce = 2000;
const timeoutMs = 2000;

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: address, port });
    const end = (open: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(open);
    };
    const timer = setTimeout(() => end(false), timeoutMs);
    socket.on("connect", () => end(true)).on("error", () => end(false));
  });
}

const open: number[] = [];
let next = 1;
async function scan(): Promise<void> {
  while (next <= 65_535) {
    const port = next;
    next += 1;
    if (await isOpen(port)) open.push(port);
  }
}
await Promise.all(Array.from({ length: atOnce }, scan));
process.stdout.write(JSON.stringify(open.sort((one, other) => one - other)));
