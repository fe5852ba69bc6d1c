import { local } from "@pulumi/command";
import type { CustomResourceOptions, Input, Output, Resource } from "@pulumi/pulumi";
import { all, interpolate, mergeOptions, secret } from "@pulumi/pulumi";
import { type Connection, shellAssignments, sshCommand } from "./connection.ts";
import { keepingFiles } from "./kept-files.ts";
import { boundedShell, readScript, wholeScript } from "./script.ts";

export { readScript, wholeScript };

/**
 * A command on a host: a shellcheck-clean script sent to `bash -s` over the shared connection. It runs when it is created
 * and again whenever a parameter or the script changes, so every script is idempotent. Its result is an effect on the
 * host, never an input of the graph.
 */
export interface HostCommandArgs {
  readonly connection: Connection;
  /** File with the script's body; see `readScript`. */
  readonly script: string;
  /** Shell variables of the script, by name. Visible in diffs. */
  readonly parameters?: Record<string, Input<string | number>>;
  /** Shell variables that are secret: they travel on standard input and are never exported or printed. */
  readonly secrets?: Record<string, Input<string>>;
  /** After this many seconds the host ends the script. */
  readonly deadlineSeconds: number;
  /** Body of the script that undoes it when the resource is deleted; it gets the same parameters, no secrets. */
  readonly removeScript?: string;
  /** Files and folders of the host that this command writes and nothing else does: `ops drift` notices when somebody else did. */
  readonly files?: readonly string[];
  /** What the script prints is the second line of the command's output: what it found when it ran last. No by default. */
  readonly answers?: boolean;
  readonly dependsOn?: Input<Resource>[];
}

/** What a release adds to each of its commands: that what it does is written to the deployment's record on the host. */
export type Recorded = (command: HostCommandArgs) => HostCommandArgs;

/** `current_container SERVICE`, for the scripts that wait for a service which is updated in place. */
export const currentContainerScript = readScript(import.meta.url, "./scripts/current-container.sh");

/**
 * Who runs a command, found out on the operator's side when it runs: constant text in the graph. In a workflow the actor's
 * name comes from outside, so only what is harmless in any shell passes.
 */
export const deployedBy = `$(printf %s "\${GITHUB_ACTOR:-$(id -un)}@$(uname -n)" | LC_ALL=C tr -cd 'A-Za-z0-9@._-' | cut -c 1-100)`;

/** The text of a script that stays on the host, for a timer or a hook: {@link wholeScript} after its parameters. */
export function installedScript(
  parameters: Readonly<Record<string, Input<string | number>>>,
  body: string,
  reads?: Parameters<typeof wholeScript>[1],
): Output<string> {
  return interpolate`#!/bin/bash\n${shellAssignments(parameters)}${wholeScript(body, reads)}`;
}

export function hostCommand(name: string, args: HostCommandArgs, opts: CustomResourceOptions): local.Command {
  const { connection, deadlineSeconds, files } = args;
  const kept = files && keepingFiles(name, files, args.script);
  const ssh = interpolate`${sshCommand(connection)} "DEPLOYED_BY=${deployedBy} ${boundedShell(deadlineSeconds)}"`;
  const where = hostText(connection);
  const parameters = shellAssignments({ ...args.parameters, ...kept?.parameters });
  const removal = args.removeScript && args.removeScript + (kept?.removal ?? "");
  const program = all([ssh, where, parameters, connection.address]).apply(
    ([command, at, assignments, address]) => {
      const run = onceEach(withReasons(command, at, deadlineSeconds), address, args.answers);
      return removal === undefined ? run : `${withRemoval(`${assignments}${wholeScript(removal)}`)}${run}`;
    },
  );
  const stdin = interpolate`${parameters}${shellAssignments(args.secrets ?? {})}${wholeScript(kept?.body ?? args.script)}`;
  return new local.Command(
    name,
    {
      // The interpreter does the work. The command is what a diagnostic of Pulumi's begins with, so it says what runs where.
      interpreter: ["/bin/sh", "-c", program],
      create: interpolate`${name} on ${where}`,
      ...(removal === undefined ? {} : { delete: interpolate`${removalOf}${name} on ${where}` }),
      stdin: args.secrets === undefined ? stdin : secret(stdin),
      // A failed command prints its output in the error anyway; a successful one has nothing to say to the log.
      logging: "none",
      // What was done last: see onceEach.
      addPreviousOutputInEnv: true,
    },
    mergeOptions(opts, {
      dependsOn: args.dependsOn ?? [],
      additionalSecretOutputs: ["stdout", "stderr"],
      // The local side waits a little longer than the host's own deadline, so that the host's message arrives.
      customTimeouts: { create: `${deadlineSeconds + 60}s`, update: `${deadlineSeconds + 60}s` },
    }),
  );
}

/** A host as diagnostics name it. */
export function hostText({ host, address, port }: Connection): Output<string> {
  return interpolate`${host} (${address}, port ${port})`;
}

/** Says what ssh and the host's deadline say by their exit code alone. */
export function withReasons(command: string, host: string, deadlineSeconds: number): string {
  const broken = `no connection to ${host}, or it broke. What had begun there goes on; the next run waits for it`;
  const late = `not done on ${host} after ${deadlineSeconds} seconds, and so it was ended`;
  return `{ ${command} || { code=$?; case $code in 255) echo '${broken}' >&2 ;; 124 | 137) echo '${late}' >&2 ;; esac; exit $code; }; }`;
}

/**
 * Runs the command unless what it would be sent is what this machine was sent the last time: the way to the host (port, key, options of ssh)
 * is part of the resource too, and a new one is no reason to do a release's steps again. What was done is the command's output,
 * which Pulumi keeps as a secret and hands to an update as PULUMI_COMMAND_STDOUT (pulumi-command, "addPreviousOutputInEnv").
 */
export function onceEach(command: string, address: string, answers = false): string {
  const before = answers
    ? // biome-ignore lint/suspicious/noTemplateCurlyInString: The shell's.
      '[ "${PULUMI_COMMAND_STDOUT%%[!0-9a-z ]*}" != "$done" ]'
    : '[ "$PULUMI_COMMAND_STDOUT" != "$done" ]';
  return [
    "sent=$(cat)",
    `done="done $(printf %s "${address} $sent" | { sha256sum 2>/dev/null || shasum -a 256; } | cut -c 1-64)"`,
    `case $0 in '${removalOf}'*) ;; *) ${before} || { echo "$${answers ? "PULUMI_COMMAND_STDOUT" : "done"}"; exit 0; } ;; esac`,
    `said=$(printf '%s\\n' "$sent" | ${command}) || { code=$?; printf '%s\\n' "$said"; exit $code; }`,
    'echo "$done"',
    ...(answers ? ['printf "%s\\n" "$said"'] : []),
    "",
  ].join("\n");
}

/** What the command of a removal begins with. */
const removalOf = "removal of ";

/** Standard input is one property for all operations; the removal, which the shell knows by its command ($0), has a script of its own. */
export function withRemoval(script: string): string {
  return `case $0 in '${removalOf}'*)\nexec <<'BERTH_END'\n${script}BERTH_END\n;; esac\n`;
}
