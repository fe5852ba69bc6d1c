import type { local } from "@pulumi/command";
import type { CustomResourceOptions } from "@pulumi/pulumi";
import { dataDirectory } from "../data/stateful.ts";
import { hostCommand, readScript } from "../host/command.ts";
import type { Host } from "../host/host.ts";
import { hostPaths } from "../host/paths.ts";

/** The folder on the data volume that a released service keeps, owned by the user that it runs as. */
export function keptFolder(
  name: string,
  args: {
    readonly host: Host;
    readonly system: string;
    readonly service: string;
    readonly keeps: { readonly uid: number };
  },
  opts: CustomResourceOptions,
): local.Command {
  const { host, system, service, keeps } = args;
  return hostCommand(
    name,
    {
      connection: host.connection,
      script:
        readScript(import.meta.url, "../data/scripts/data-folder.sh") +
        readScript(import.meta.url, "./scripts/kept-folder.sh"),
      parameters: {
        DATA_VOLUME: hostPaths.dataVolume,
        DATA_DIRECTORY: dataDirectory(system, service),
        SERVICE: service,
        OWNER: String(keeps.uid),
      },
      deadlineSeconds: 60,
      dependsOn: [host.ready],
    },
    opts,
  );
}
