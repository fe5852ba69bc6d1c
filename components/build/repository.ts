import type { Resource } from "@pulumi/pulumi";
import { hostCommand, installedScript, readScript } from "../host/command.ts";
import type { Host } from "../host/host.ts";
import { deployUser } from "../host/host-files.ts";
import { hostPaths } from "../host/paths.ts";
import { registryOf } from "../host/registries.ts";
import { hostItself } from "../host/stored-data.ts";
import type { Build } from "./build-config.ts";

/**
 * A bare Git repository on a host that builds what is pushed to its branch, pushes the image to its registry, and says how it is
 * deployed: nothing on the host deploys (docs/decisions/0013-push-to-deploy.md). A build that fails refuses the push. Whatever was
 * changed by hand is repaired by the next run that changes something of it, or after `ops drift --forget`; the commits stay, also when it is no longer declared.
 */
export function buildRepository(
  name: string,
  args: { readonly host: Host; readonly build: Build; readonly repository: string; readonly stack: string },
  opts: { readonly parent: Resource },
): void {
  const { host, build, repository, stack } = args;
  const login = host.logins.get(registryOf(repository));
  const parameters = {
    NAME: name,
    DIRECTORY: hostPaths.repository(name),
    BUILD_PATH: hostPaths.buildScript(name),
    REPOSITORY: repository,
    BRANCH: build.branch,
    DOCKERFILE: build.dockerfile,
    CONTEXT: build.context,
    ARGUMENTS: Object.entries(build.arguments)
      .map(([key, value]) => `${key}=${value}`)
      .join("\n"),
    MEMORY_MEBIBYTES: build.memoryMebibytes,
    CPU_MICROSECONDS: Math.round(build.cpus * 100_000),
    DEADLINE_SECONDS: build.deadlineMinutes * 60,
    DEPLOY: `npm run ops -- push ${name} --stack ${stack}`,
  };
  const script = (path: string) =>
    installedScript(parameters, readScript(import.meta.url, path), "arguments and input");
  const kept = {
    kind: "folder",
    of: hostItself(host.name),
    path: hostPaths.repository(name),
    owner: deployUser,
  } as const;
  const restored = host.restored(`${host.name}-build-${name}-restore`, kept, [], opts);
  const made = hostCommand(
    `${host.name}-build-${name}`,
    {
      connection: host.connection,
      script: readScript(import.meta.url, "./scripts/repository.sh"),
      // The commits stay.
      removeScript: 'sudo rm -f "$DIRECTORY/hooks/pre-receive" "$BUILD_PATH"',
      parameters: {
        DATA_VOLUME: hostPaths.dataVolume,
        DIRECTORY: hostPaths.repository(name),
        BRANCH: build.branch,
        BUILD_PATH: hostPaths.buildScript(name),
        BUILD: script("./scripts/build.sh"),
        HOOK: script("./scripts/pre-receive.sh"),
      },
      files: [hostPaths.buildScript(name), `${hostPaths.repository(name)}/hooks/pre-receive`],
      deadlineSeconds: 300,
      dependsOn: [host.ready, ...restored, ...(login === undefined ? [] : [login.command])],
    },
    opts,
  );
  host.stored.push({ ...kept, after: [made] });
}
