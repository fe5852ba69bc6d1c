import type { local } from "@pulumi/command";
import { type CustomResourceOptions, getStack, type Output, type Resource } from "@pulumi/pulumi";
import { hostCommand, readScript } from "./command.ts";
import type { Connection } from "./connection.ts";
import { loginServer, type Registry, setPassword } from "./registries.ts";

export interface RegistryLogin extends Registry {
  readonly address: string;
  readonly password: Output<string>;
  /** The command that sets another password, where it is not a secret of the stack's file. */
  readonly setPassword?: string;
  /** How long the registry may take to answer as it should: one of the same run waits for its certificate and its record. */
  readonly waitSeconds?: number;
  /** Issued its certificate, where machines do not trust that authority anyway. */
  readonly authorityPem?: string;
}

/** The command that sets another password for a login. */
export function setPasswordOf({ address, setPassword: own }: RegistryLogin): string {
  return own ?? setPassword(address, getStack());
}

/**
 * Logs the deploy user of a host in to a registry, and out when the registry is no longer named. The registry checks the password
 * before it is kept, in the user's own file (`~/.docker/config.json`, mode 0600): every pull on the host takes it from there. It
 * travels on standard input, and no service's specification ever has it: what a service needs is on the host before the service is
 * made, and stays there while it is needed (berth-prune-images).
 */
export function registryLogin(
  name: string,
  args: {
    readonly connection: Connection;
    readonly login: RegistryLogin;
    readonly dependsOn: Resource[];
  },
  opts: CustomResourceOptions,
): local.Command {
  const { address, user, password, passwordExpires = "", waitSeconds = 0, authorityPem } = args.login;
  return hostCommand(
    name,
    {
      connection: args.connection,
      script: readScript(import.meta.url, "./scripts/registry-login.sh"),
      parameters: {
        REGISTRY: address,
        SERVER: loginServer(address),
        LOGIN_USER: user,
        EXPIRES: passwordExpires,
        SET_PASSWORD: setPasswordOf(args.login),
        ...(waitSeconds === 0 ? {} : { WAIT_SECONDS: waitSeconds }),
        ...(authorityPem === undefined ? {} : { AUTHORITY: authorityPem.trim() }),
      },
      secrets: { PASSWORD: password },
      removeScript: readScript(import.meta.url, "./scripts/registry-logout.sh"),
      deadlineSeconds: waitSeconds + 120,
      dependsOn: args.dependsOn,
    },
    opts,
  );
}
