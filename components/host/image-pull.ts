import type { local } from "@pulumi/command";
import { type CustomResourceOptions, getStack, type Input, type Resource } from "@pulumi/pulumi";
import type { ResolvedImage } from "../image.ts";
import { hostCommand, type Recorded, readScript } from "./command.ts";
import type { Host } from "./host.ts";
import { loginServer, registryOf, setPassword } from "./registries.ts";

export interface ImagePullArgs {
  readonly host: Host;
  readonly image: ResolvedImage;
  /** What is done when the image is there. */
  readonly check?: {
    readonly script: string;
    readonly parameters: Readonly<Record<string, Input<string>>>;
  };
  readonly recorded?: Recorded;
  readonly dependsOn?: readonly Resource[];
}

const script = readScript(import.meta.url, "./scripts/pull.sh");

/**
 * Has an image on the host before anything is made or changed for it, with a deadline of its own. An image for another architecture
 * than the server's is refused before the pull. An image that is there by its digest is not asked for again. A pull that waits for
 * bytes that do not come ends with that as its reason; a release's pull says in the deployment's log how far it is.
 */
export function imagePull(name: string, args: ImagePullArgs, opts: CustomResourceOptions): local.Command {
  const { host, image, check, recorded = (command) => command } = args;
  const address = registryOf(image.reference);
  const login = host.logins.get(address);
  const stack = getStack();
  return hostCommand(
    name,
    recorded({
      connection: host.connection,
      script: check === undefined ? script : `${script}\n${check.script}`,
      parameters: {
        IMAGE: image.reference,
        SERVER: loginServer(address),
        DEADLINE_SECONDS: host.pulls.deadlineSeconds,
        STALLED_SECONDS: host.pulls.stalledSeconds,
        WAY_IN:
          login === undefined
            ? `${address} has no login in berth:registries. If the image is there and not public: npx pulumi config set --path 'berth:registries["${address}"].user' USER --stack ${stack}, then ${setPassword(address, stack)}`
            : `The password of the login may have expired, or may not read this image. Set another: ${login.setPassword}`,
        ...check?.parameters,
      },
      deadlineSeconds: host.pulls.deadlineSeconds + 120,
      dependsOn: [host.ready, ...(login === undefined ? [] : [login.command]), ...(args.dependsOn ?? [])],
    }),
    opts,
  );
}
