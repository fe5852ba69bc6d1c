import type { Input } from "@pulumi/pulumi";
import { type HostCommandArgs, readScript } from "../host/command.ts";
import { shellQuote } from "../host/connection.ts";
import { hostPaths } from "../host/paths.ts";
import type { ResolvedImage } from "../image.ts";

/** What a deployment's record says of the release, beside what the host finds out itself. */
export interface RecordedRelease {
  readonly system: string;
  /** `togather_app`. */
  readonly service: string;
  readonly environment: string;
  readonly image: ResolvedImage;
  /** How long the slot that served before stays, to be gone back to; 0: not at all. */
  readonly keepPreviousMinutes: number;
  /** This version may be released although somebody went back from it. */
  readonly releaseAgain: boolean;
  /** Whose switch starts the slot: see scripts/start.sh. Left out for a service with routes whose slots may overlap. */
  readonly starts?: { readonly order: "start-first" | "stop-first"; readonly tasks: number };
}

export type ReleaseStep = "pull" | "snapshot" | "migration" | "probe" | "switch";

const slots = readScript(import.meta.url, "./scripts/slots.sh");
const rules = `release_rules=${shellQuote(readScript(import.meta.url, "./scripts/record.jq"))}\n`;
/** In front of `release_run`, which runs the function `step`. */
export const recordScript =
  slots +
  rules +
  ["record-slots", "record"].map((name) => readScript(import.meta.url, `./scripts/${name}.sh`)).join("");
const start = readScript(import.meta.url, "./scripts/start.sh");
const forget = readScript(import.meta.url, "./scripts/forget.sh");

/** What a slot that was stopped may take to be healthy again, and one that is stopped to end; scripts/start.sh has the same. */
const startSeconds = 120;
const stopSeconds = 60;

/**
 * A host command as a step of a release: what it does is written to the deployment's record, which the host keeps
 * ({@link hostPaths}): state, history, one log a deployment. Ids and times are made there and are no inputs.
 */
export function recorded(
  release: RecordedRelease,
  step: ReleaseStep,
  slot: Input<string>,
  command: HostCommandArgs,
): HostCommandArgs {
  const parameters: Record<string, Input<string | number>> = {
    ...command.parameters,
    RELEASE_SYSTEM: release.system,
    RELEASE_SERVICE: release.service,
    RELEASE_ENVIRONMENT: release.environment,
    RELEASE_IMAGE: release.image.reference,
    RELEASE_VERSION: release.image.version,
    RELEASE_SLOT: slot,
    RELEASE_KEEP_MINUTES: release.keepPreviousMinutes,
    RELEASE_RECORDS: hostPaths.deployments,
    RELEASE_LOGS: hostPaths.deploymentLogs(release.system),
    ...(release.starts && {
      RELEASE_ORDER: release.starts.order,
      RELEASE_STARTS: "yes",
      RELEASE_TASKS: release.starts.tasks,
    }),
    ...(step === "probe" ? { RELEASE_ROUTES: hostPaths.edge } : {}),
    ...(step === "probe" || step === "switch"
      ? { RELEASE_ACCEPTED: release.releaseAgain ? "yes" : "no" }
      : {}),
  };
  // A switch that failed, or is done again by `ops back`, finds a slot without tasks.
  const starts = step === "switch" && release.starts !== undefined;
  return {
    ...command,
    deadlineSeconds: command.deadlineSeconds + (starts ? startSeconds + stopSeconds : 0),
    parameters: {
      ...parameters,
      RELEASE_STEP: step,
      RELEASE_SAVES: [...Object.keys(parameters), "RELEASE_SAVES"].join("\n"),
    },
    script: `${recordScript}
step() {
${starts ? start : ""}${command.script}
}
release_run
`,
    ...(command.removeScript === undefined
      ? {}
      : { removeScript: `${command.removeScript}\n${slots}\n${forget}` }),
  };
}
