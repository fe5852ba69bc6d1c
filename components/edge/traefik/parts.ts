/** The edge's own port inside its container, on loopback: health, what it has loaded, and whether a slot can be reached. */
export const checkPort = 8081;

/** Where the configuration folder of the host appears in the edge's container. */
export const containerDirectory = "/etc/traefik/berth";

/** Where the answers to ACME's challenges appear in the edge's container. */
export const challengesDirectory = "/var/www/challenges";

/** Where Traefik looks for plugins, from the root of its container (pkg/plugins/plugins.go, localGoPath). */
export const pluginDirectory = "/plugins-local";

/** Import path of the plugin in container/edge.go, and its name in the configuration. */
export const pluginModule = "berth/edge";
export const plugin = "berth";

/** The rule for a domain. */
export function host(domain: string): string {
  return `Host(\`${domain}\`)`;
}

/** Name of the middleware with the headers of a domain. */
export function siteHeaders(domain: string): string {
  return `headers_${domain}`;
}

/** A use of the plugin; what it can do is in container/edge.go, Config. */
export function withPlugin(settings: object): object {
  return { plugin: { [plugin]: settings } };
}

/** JSON, which is YAML too: nothing in it needs to be escaped another way. */
export function json(value: object): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
