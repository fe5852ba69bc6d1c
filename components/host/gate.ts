import { local } from "@pulumi/command";
import { type ComponentResourceOptions, interpolate, mergeOptions, type Output } from "@pulumi/pulumi";
import { hostText, readScript, wholeScript } from "./command.ts";
import { type Connection, shellAssignments, sshCommand } from "./connection.ts";
import { hostPaths } from "./paths.ts";

/** How long a new server may take until SSH, cloud-init, Docker and the volume are ready; package downloads included. */
const readyDeadlineSeconds = 600;

/**
 * Waits until SSH (with the pinned host key), Docker and the data volume of a server are ready; anything on the host depends on it.
 * @param own parameters of ready.sh that are a resource's outputs; another value makes the gate wait again
 * @throws with the host's own error when {@link readyDeadlineSeconds} have passed
 */
export function gate(
  name: string,
  connection: Connection,
  own: Record<string, Output<string>>,
  opts: ComponentResourceOptions,
): local.Command {
  const parameters = shellAssignments({
    ...own,
    DATA_VOLUME: hostPaths.dataVolume,
    EDGE_DIRECTORY: hostPaths.edge,
  });
  return new local.Command(
    `${name}-ready`,
    {
      interpreter: ["/bin/sh", "-c", readScript(import.meta.url, "./scripts/wait-for-ssh.sh")],
      create: interpolate`${name}-ready on ${hostText(connection)}`,
      environment: {
        HOST: name,
        // Not the shared connection: cloud-init restarts sshd with Berth's settings, and one that was opened before keeps
        // the old ones, among them ten sessions at most.
        SSH_COMMAND: sshCommand(connection, "alone"),
        DEADLINE_SECONDS: String(readyDeadlineSeconds),
      },
      stdin: interpolate`${parameters}${wholeScript(["swarm", "ready"].map((name) => readScript(import.meta.url, `./scripts/${name}.sh`)).join(""))}`,
      logging: "none",
      addPreviousOutputInEnv: false,
    },
    mergeOptions(opts, {
      additionalSecretOutputs: ["stdout", "stderr"],
      customTimeouts: { create: `${2 * readyDeadlineSeconds}s`, update: `${2 * readyDeadlineSeconds}s` },
    }),
  );
}
