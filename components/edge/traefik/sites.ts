import { type Site, tlsDirectory } from "../edge.ts";
import { challengesDirectory, containerDirectory, host, json, siteHeaders, withPlugin } from "./parts.ts";

/** How often a request is tried whose connection to a task could not be made; nothing of it has been sent then. */
const connectAttempts = 3;

/** Priority of what answers for a domain or a request that no route is for. */
const nothingPriority = 1;

const all = "PathPrefix(`/`)";

/**
 * What does not depend on a route: certificates, the way from HTTP to HTTPS, challenges, headers, and what nobody asked for. Certificate
 * and key of a domain are one file; Traefik finds each in it.
 */
export function renderSites(sites: readonly Site[]): string {
  const nothing = { service: "noop@internal", priority: nothingPriority };
  const routers: [string, object][] = sites.flatMap(({ domain }) => [
    [
      `http_${domain}`,
      { entryPoints: ["http"], rule: host(domain), middlewares: ["to-https"], ...nothing, priority: 10 },
    ],
    [
      `challenges_${domain}`,
      {
        entryPoints: ["http"],
        rule: `${host(domain)} && PathPrefix(\`/.well-known/acme-challenge/\`)`,
        middlewares: ["challenges"],
        ...nothing,
        priority: 20,
      },
    ],
    // Where the domain has no route: 404, with the domain's headers.
    [
      `nothing_${domain}`,
      {
        entryPoints: ["https"],
        rule: host(domain),
        middlewares: [siteHeaders(domain), "nothing"],
        tls: {},
        ...nothing,
        priority: nothingPriority + 1,
      },
    ],
  ]);
  const pem = (domain: string) => `${containerDirectory}/${tlsDirectory}/${domain}.pem`;
  return json({
    http: {
      routers: {
        ...Object.fromEntries(routers),
        "unknown-http": { entryPoints: ["http"], rule: all, middlewares: ["unknown"], ...nothing },
        loaded: { entryPoints: ["check"], rule: "PathPrefix(`/api/`)", service: "api@internal", priority: 1 },
      },
      middlewares: {
        "to-https": { redirectScheme: { scheme: "https", permanent: true } },
        challenges: withPlugin({ files: challengesDirectory }),
        nothing: withPlugin({ refuse: 404 }),
        unknown: withPlugin({ hangUp: true, refuse: 404 }),
        // Traefik replaces the other headers of this kind itself; of a WebSocket it would say wss.
        forwarded: {
          headers: {
            customRequestHeaders: { "X-Forwarded-Proto": "https", "X-Forwarded-Server": "", Forwarded: "" },
          },
        },
        // Repeated only while no header has been sent (pkg/middlewares/retry): nothing reaches a service twice.
        connect: { retry: { attempts: connectAttempts, initialInterval: "50ms" } },
        ...Object.fromEntries(sites.map((site) => [siteHeaders(site.domain), renderHeaders(site)])),
      },
    },
    tls: {
      certificates: sites.map(({ domain }) => ({ certFile: pem(domain), keyFile: pem(domain) })),
      options: { default: { minVersion: "VersionTLS12", sniStrict: true } },
    },
  });
}

const frameOptions = { deny: "DENY", sameOrigin: "SAMEORIGIN", everybody: undefined } as const;

function renderHeaders({ headers }: Site): object {
  const frames = frameOptions[headers.frames];
  return {
    headers: {
      stsSeconds: 31536000,
      stsIncludeSubdomains: headers.hstsIncludeSubDomains,
      contentTypeNosniff: true,
      ...(frames === undefined ? {} : { customFrameOptionsValue: frames }),
      referrerPolicy: "strict-origin-when-cross-origin",
    },
  };
}
