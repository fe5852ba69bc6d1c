/**
 * Loaded into the program's process before anything else: ends it as soon as the engine that started it is gone. The
 * engine holds the other end of the pipe on descriptor 3 and never writes to it, so the pipe closes when the engine ends.
 */
import { Socket } from "node:net";

const engineSocket = new Socket({ fd: 3 });
engineSocket.on("error", () => {});
engineSocket.on("close", () => process.kill(process.pid, "SIGKILL"));
engineSocket.resume();
// The watch must not keep the program alive.
engineSocket.unref();
