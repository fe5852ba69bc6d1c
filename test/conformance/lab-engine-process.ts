/** The lab's engine in a process that may be killed: takes one run from its parent and reports what happens. */
import { type LabMessage, type LabRun, runLabEngine } from "./lab-engine.ts";

const send = (message: LabMessage) => process.send?.(message);

process.once("message", async (run: LabRun) => {
  const result = await runLabEngine(run, (event) => send({ event }));
  process.send?.({ result } satisfies LabMessage, () => process.disconnect());
});
