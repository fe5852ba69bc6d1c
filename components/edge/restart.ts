import { log, type ResourceHookFunction } from "@pulumi/pulumi";

/** What a restart of the edge was measured to take on two busy cores, 2.2 and 2.4, rounded up: docs/decisions/0008-one-edge-network-a-system.md. */
const gapSeconds = 3;

/** The same of one kind after the other: docs/decisions/0011-traefik-as-an-edge.md. */
const changeSeconds = 5;

/**
 * Hook before the command that waits for a host's edge is updated, in a preview too: says that the edge restarts, which is the one
 * moment at which nobody is served. That is so when its service is another one or has another specification.
 */
export function announceRestart(
  host: string,
  warn: (message: string) => Promise<void> = log.warn,
): ResourceHookFunction {
  return async ({ oldInputs, newInputs }) => {
    const after = edgeTask(newInputs?.stdin);
    if (after !== undefined && after === edgeTask(oldInputs?.stdin)) return;
    const [before, now] = [kindOf(oldInputs?.stdin), kindOf(newInputs?.stdin)];
    if (now !== undefined && before !== now) {
      await warn(
        `${host}: the edge becomes ${now} instead of ${before} in this run; ports 80 and 443 answer nobody for some ${changeSeconds} seconds, ` +
          "then each system 404 until its routes are switched, some seconds more. Choose the time",
      );
      return;
    }
    await warn(
      `${host}: the edge restarts in this run; its ports 80 and 443 answer nobody for some ${gapSeconds} seconds. Choose the time`,
    );
  };
}

/** The kind in those parameters; the first hosts had no other. */
function kindOf(stdin: unknown): string | undefined {
  if (typeof stdin !== "string") return undefined;
  return /^EDGE_KIND='?(\w+)'?$/m.exec(stdin)?.[1] ?? "nginx";
}

/** Service and specification in the parameters of scripts/wait.sh; nothing where they are not known yet. */
function edgeTask(stdin: unknown): string | undefined {
  if (typeof stdin !== "string") return undefined;
  return stdin
    .split("\n")
    .filter((line) => /^(SERVICE|SPECIFICATION)=/.test(line))
    .join("\n");
}
