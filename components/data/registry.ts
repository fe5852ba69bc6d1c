import { ServiceConfig } from "@pulumi/docker";
import { ComponentResource, mergeOptions, type Output, secret } from "@pulumi/pulumi";
import { RandomPassword } from "@pulumi/random";
import { stringify } from "yaml";
import type { ServiceContext } from "../declaration.ts";
import type { Route } from "../edge/route.ts";
import { hostCommand, installedScript, readScript } from "../host/command.ts";
import { hostPaths } from "../host/paths.ts";
import { ownRegistryUser } from "../host/registries.ts";
import { dockerLabels } from "../labels.ts";
import type { ServedRegistry } from "../system.ts";
import { registryTimer } from "./registry-timer.ts";
import type { RegistrySettings } from "./settings.ts";
import { dataDirectory, stateful } from "./stateful.ts";

const serverPort = 5000;
/** What the daily collection may take, during which the registry is paused; and how long it may fail its check until Swarm restarts it. */
const collectSeconds = 480;
/** How long nobody has pushed before anything is removed: clients ask for one layer or send it every few seconds. */
const quietMinutes = 10;
const registryPatienceSeconds = 600;
const configurationFile = "/berth/registry.yml";
const usersDirectory = "/etc/berth";

/**
 * What the outside reaches of a registry. A layer is one request, passed on as it comes; a push of an image with 30 layers is some 120
 * requests within seconds. No refusal counts towards a ban: Docker's client asks without its login first, each time.
 */
export function registryRoutes(domain: string, { layerMebibytes }: RegistrySettings): Route[] {
  const shared = { domain, port: serverPort, bodyLimitMebibytes: layerMebibytes };
  const rateLimit = { requestsPerSecond: 50, burst: 500 };
  return [
    {
      ...{ ...shared, path: "/v2/", streamingRequests: true, streaming: true, readTimeoutSeconds: 900 },
      rateLimit,
    },
    // Answers 200 without a login, for whoever asks whether it serves.
    { ...shared, path: "/", match: "exact", bodyLimitMebibytes: 1, rateLimit },
  ];
}

/**
 * A registry of images, CNCF distribution, {@link stateful}: its data on the volume, behind the edge under the system's domain.
 * It asks everybody for one generated login, whose bcrypt hash is in a file of the host: distribution reads that again when it has
 * changed (registry/auth/htpasswd/access.go), so another password restarts nothing. Every day a timer on the host removes what nothing
 * needs (scripts/registry-collect.sh). No cache of blobs: distribution's would know layers that the timer has removed.
 *
 * Its own image, and the edge's, come from elsewhere: a host serves its own images once both run. Source of arguments, paths and
 * port: the official image (github.com/distribution/distribution-library-image, Dockerfile and entrypoint.sh) of 2 and 3.
 */
export class Registry extends ComponentResource {
  /** Version, and name of the service. */
  readonly released: { readonly version: string; readonly slot: Output<string> };
  /** How hosts log in. */
  readonly served: ServedRegistry;

  constructor(context: ServiceContext<RegistrySettings>) {
    const { name, host, system, edge, image, domain, settings, routes } = context;
    super("berth:data:Registry", name, {}, { parent: context.parent });
    const child = { parent: this };
    const password = new RandomPassword(
      `${name}-password`,
      { length: 40, special: false, keepers: { generation: String(settings.passwordGeneration) } },
      child,
    );
    const source = hostPaths.registryUsers(name);
    const users = hostCommand(
      `${name}-users`,
      {
        connection: host.connection,
        script: readScript(import.meta.url, "./scripts/registry-users.sh"),
        removeScript: 'sudo rm -rf "$USERS_DIRECTORY"',
        parameters: { USERS_DIRECTORY: source, LOGIN_USER: ownRegistryUser },
        secrets: { HASH: password.bcryptHash },
        deadlineSeconds: 60,
        dependsOn: [host.ready],
      },
      child,
    );
    const configuration = new ServiceConfig(
      `${name}-configuration`,
      {
        data: Buffer.from(registryConfiguration(domain)).toString("base64"),
        labels: dockerLabels(`${name}-configuration`, system),
      },
      mergeOptions(child, { provider: host.docker }),
    );
    const { service, ready } = stateful(this, context, {
      network: edge.network,
      dataPath: "/var/lib/registry",
      container: {
        args: [configurationFile],
        // Version 3 sends traces to a collector otherwise (its Dockerfile).
        env: { OTEL_TRACES_EXPORTER: "none" },
        configs: [
          { configId: configuration.id, configName: configuration.name, fileName: configurationFile },
        ],
        mounts: [{ type: "bind", source, target: usersDirectory, readOnly: true }],
        secrets: [],
      },
      health: { tool: "wget", http: { port: serverPort, path: "/" } },
      // A paused container fails each check. Swarm must not start another one while its data is being cleaned.
      unhealthyAfterSeconds: registryPatienceSeconds,
      kept: "folder",
      after: [users],
      ready: {
        script: readScript(import.meta.url, "./scripts/registry-ready.sh"),
        parameters: { PORT: String(serverPort) },
        secrets: {},
      },
    });
    const served = edge.switchTo(
      `${name}-routes`,
      {
        ...{ service: name, slot: service.name, routes, recorded: (command) => command },
        dependsOn: [edge.ready, ready],
      },
      child,
    );
    registryTimer(
      `${name}-collection`,
      {
        ...{ host, service: name, deadlineSeconds: collectSeconds, dependsOn: [ready] },
        script: installedScript(
          {
            SERVICE: name,
            DATA_DIRECTORY: dataDirectory(system, name),
            KEEP_VERSIONS: settings.keepVersions,
            QUIET_MINUTES: quietMinutes,
          },
          readScript(import.meta.url, "./scripts/registry-collect.sh"),
        ),
      },
      child,
    );
    this.released = { version: image.version, slot: service.name };
    this.served = {
      ...{ user: ownRegistryUser, password: secret(password.result), ready: [users, served] },
      passwordSetting: `${name.replace("_", ":")}.passwordGeneration`,
    };
    this.registerOutputs();
  }
}

/** Source of the keys: distribution, docs/content/about/configuration.md; of the times: its own defaults. */
export function registryConfiguration(domain: string): string {
  return stringify({
    version: 0.1,
    log: { level: "info", accesslog: { disabled: true } },
    storage: {
      filesystem: { rootdirectory: "/var/lib/registry" },
      maintenance: {
        uploadpurging: { enabled: true, age: "168h", interval: "24h", dryrun: false },
      },
    },
    http: { addr: `:${serverPort}`, host: `https://${domain}` },
    auth: { htpasswd: { realm: domain, path: `${usersDirectory}/users` } },
  });
}
