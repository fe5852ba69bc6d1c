import { local } from "@pulumi/command";
import {
  all,
  type CustomResourceOptions,
  interpolate,
  mergeOptions,
  type Output,
  type Resource,
  secret,
} from "@pulumi/pulumi";
import { hostText, withReasons } from "../host/command.ts";
import { shellQuote, sshCommand } from "../host/connection.ts";
import type { Host } from "../host/host.ts";
import { hostPaths } from "../host/paths.ts";

const deadlineSeconds = 30;

/**
 * A secret that a service writes by itself, as the token that a server makes for its first client: a step of the service's migrations
 * names it in `writes`, the host keeps it, and this reads it for another service. The value is an output that Pulumi keeps
 * encrypted and never prints. It is read once, and again when the way to the host changes, or as `reading` does.
 * @throws when the run comes to it and the step has written nothing: with the name of the file and of the service
 */
export function writtenSecret(
  name: string,
  args: {
    readonly host: Host;
    /** Whose migrations write it: `gadgetbot_zitadel`. */
    readonly service: string;
    readonly file: string;
    /** Another number reads it again, after the service has written another one. */
    readonly reading?: number;
    readonly dependsOn: readonly Resource[];
  },
  opts: CustomResourceOptions,
): Output<string> {
  const { host, service, file } = args;
  const remote = readWritten(hostPaths.written(service), service, file);
  const where = hostText(host.connection);
  const program = all([sshCommand(host.connection), where]).apply(([ssh, at]) =>
    withReasons(`${ssh} ${shellQuote(remote)}`, at, deadlineSeconds),
  );
  const read = new local.Command(
    name,
    {
      interpreter: ["/bin/sh", "-c", program],
      create: interpolate`${name} on ${where}`,
      triggers: [args.reading ?? 1],
      logging: "none",
    },
    mergeOptions(opts, {
      dependsOn: [...args.dependsOn],
      additionalSecretOutputs: ["stdout", "stderr"],
      customTimeouts: { create: `${deadlineSeconds + 60}s`, update: `${deadlineSeconds + 60}s` },
    }),
  );
  return secret(read.stdout);
}

/** Prints a written file, or says that there is none. */
export function readWritten(folder: string, service: string, file: string): string {
  const missing = `no migration of ${service} has written ${file}: ${folder} does not have it. Deploy ${service} first`;
  return `timeout ${deadlineSeconds} sudo cat ${shellQuote(`${folder}/${file}`)} 2>/dev/null || { echo ${shellQuote(missing)} >&2; exit 1; }`;
}
