/**
 * Loaded into the program's process before anything else: ends it as soon as the engine that started it is gone. The
 * engine holds the other end of the pipe on descriptor 3 and never writes to it, so its end means the engine's.
 */
import { Socket } from "node:net";

const engineSocket = new Socket({ fd: 3 });
engineSocket.on("error", () => {});
engineSocket.on("close", () => process.kill(process.pid, "SIGKILL"));
engineSocket.resume();
// The program may end while the engine lives.
engineSocket.unref();
