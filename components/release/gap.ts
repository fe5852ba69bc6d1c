import { log, ResourceHook, type ResourceHookFunction } from "@pulumi/pulumi";
import { type ProbePatience, patienceSeconds } from "./probe.ts";

/** Hooks of a probe that stops the slot before it: a preview and a run say for how long nothing of the service runs. */
export function announcedGap(service: string, patience: ProbePatience) {
  const hook = announceGap(service, patienceSeconds(patience));
  return { beforeUpdate: [new ResourceHook(`${service}-gap`, hook, { onDryRun: true })] };
}

/** The hook itself: silent when the slot stays the one that it is. */
export function announceGap(
  service: string,
  patienceSeconds: number,
  warn: (message: string) => Promise<void> = log.warn,
): ResourceHookFunction {
  return async ({ oldInputs, newInputs }) => {
    const after = slotIn(newInputs?.stdin);
    if (after !== undefined && after === slotIn(oldInputs?.stdin)) return;
    await warn(
      `${service}: it may not run twice, so in this run its old slot stops before the new one starts. Nothing of it runs until the new one is healthy, ` +
        `${patienceSeconds} s at most; then, or when the new one fails, it runs again`,
    );
  };
}

/** The slot in the parameters of scripts/probe.sh; undefined where it is not known yet. */
function slotIn(stdin: unknown): string | undefined {
  return typeof stdin === "string" ? /^SLOT=.*$/m.exec(stdin)?.[0] : undefined;
}
