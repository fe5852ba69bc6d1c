import type { Secret, ServiceConfig } from "@pulumi/docker";
import type { Input, Output } from "@pulumi/pulumi";

/** Where the shim that turns secret files into variables appears in a container. */
export const shimPath = "/berth/with-secrets";

/** A secret in a container: a file of that name in /run/secrets, and through the shim a variable of that name. */
export interface MountedSecret {
  readonly name: string;
  readonly secret: Secret;
}

/** What the slots and the migrations of one release run: the same image with the same secrets. */
export interface ReleaseContainer {
  readonly image: string;
  readonly environment: Readonly<Record<string, Input<string>>>;
  readonly secrets: readonly MountedSecret[];
  /** Present when the image reads variables only: commands are run through it. */
  readonly shim: ServiceConfig | undefined;
  readonly networkIds: readonly Output<string>[];
  /** Folder of the host in it, of what stays from one slot to the next. */
  readonly data?: { readonly source: string; readonly target: string } | undefined;
  readonly memoryMebibytes: number;
  /** Processors that one task may use; all of them when left out. */
  readonly cpus?: number | undefined;
}

/** The command line of a container, through the shim where there is one. */
export function containerCommand(
  container: Pick<ReleaseContainer, "shim">,
  command: readonly string[],
): string[] {
  return container.shim === undefined ? [...command] : ["/bin/sh", shimPath, ...command];
}
