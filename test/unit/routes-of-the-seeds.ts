import type { Route } from "../../components/edge/route.ts";

/**
 * The public routes of the seeds' systems, by service, as their owners describe them: a fixture that shows whether routes can
 * express them. Limits that a seed does not name are set by the fixture.
 */

const mib = { bodyLimitMebibytes: 10 } as const;

/** The seed's "Service Overview" and "Verify deployment"; the app's port is the stand-in's, since the seed names none. */
const mfa = { domain: "mfa.drvn.be", port: 3000, ...mib };

/** The seed's "Set Port" and "Security Checklist": 200 requests a minute of one client. */
const connectedRepo = { domain: "api.connected-repo.example", port: 3000, ...mib };

/** The seed's "Container Architecture"; where ElectricSQL's prefix is taken away: the public repository's own nginx file. */
const legal = { domain: "legal.sertantai.com", ...mib };
const electric = { ...legal, port: 3000, streaming: true, readTimeoutSeconds: 86_400, bodyLimitMebibytes: 1 };

/** The seed's "Architecture Diagram". Zitadel speaks HTTP/2, its login is a service of its own. */
const auth = { domain: "gadgetbot-auth.vellandi.net", ...mib };

export const routesOfTheSeeds: Readonly<Record<string, Readonly<Record<string, readonly Route[]>>>> = {
  mfa: {
    app: [
      { ...mfa, path: "/" },
      { ...mfa, path: "/api/cache/invalidate", match: "exact", allowFrom: ["203.0.113.0/24"] },
    ],
  },
  "connected-repo": {
    api: [{ ...connectedRepo, path: "/", rateLimit: { requestsPerMinute: 200, burst: 199 } }],
  },
  sertantai: {
    frontend: [{ ...legal, path: "/", port: 3000 }],
    backend: [
      { ...legal, path: "/api/", port: 4000 },
      { ...legal, path: "/health", match: "exact", port: 4000 },
    ],
    electric: [{ ...electric, path: "/electric/", stripPrefix: true }],
    auth: [{ ...legal, domain: "auth.sertantai.com", path: "/", port: 4001, banOn: [401] }],
    enforcement: [{ ...legal, domain: "ehs-enforcement.sertantai.com", path: "/", port: 4002 }],
  },
  gadgetbot: {
    app: [{ domain: "gadgetbot.vellandi.net", path: "/", port: 3000, ...mib }],
    zitadel: [{ ...auth, path: "/", port: 8080, protocol: "h2c" }],
    login: [{ ...auth, path: "/ui/v2/login", port: 3000 }],
  },
};
