/** One client of a load, in its own process and client namespace; it reads its options from standard input. */
import { createInterface } from "node:readline";
import { driveLoad } from "./client.ts";
import { type ClientMessage, formatLine, parseOptions, reportIntervalMs } from "./protocol.ts";
import type { Sample } from "./statistics.ts";

const stopped = new AbortController();
const lines = createInterface({ input: process.stdin });
// The generator closes the stream to stop the client; the stream also ends when the generator dies, so no client outlives it.
lines.on("close", () => stopped.abort());
lines.once("line", (line) => {
  let waiting: Sample[] = [];
  const send = (message: ClientMessage) => process.stdout.write(formatLine(message));
  const report = () => {
    if (waiting.length > 0) send({ kind: "samples", samples: waiting });
    waiting = [];
  };
  const timer = setInterval(report, reportIntervalMs);
  process.stdout.on("error", () => process.exit(1));
  driveLoad(parseOptions(line), (sample) => waiting.push(sample), stopped.signal).then(
    () => {
      clearInterval(timer);
      report();
      send({ kind: "done" });
      lines.close();
    },
    (error: unknown) => {
      process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
      process.exit(1);
    },
  );
});
