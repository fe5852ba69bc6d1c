import { standIn } from "../application.ts";

/**
 * Zitadel's login v2, Next.js on Node. Source: github.com/zitadel/zitadel, apps/login (Dockerfile, .env files) and the docs, "Connect your
 * Self-Hosted Login UI to Zitadel"; its calls are those of "OIDC Standard" there. Its pages are one form here, which is sent as JSON.
 */
export const declaration = standIn({
  standsInFor: "Zitadel's login v2",
  workingDirectory: "/app",
  user: "1001:1001",
  entrypoint: ["/app/entrypoint.sh", "node", "apps/login/server.js"],
  files: {
    "/app/entrypoint.sh": { text: '#!/bin/sh\nexec "$@"\n', executable: true },
    "/app/apps/login/server.js": { runs: "server" },
  },
  variables: {
    ZITADEL_API_URL: { is: "https://auth.example.org", url: ["http", "https"] },
    ZITADEL_SERVICE_USER_TOKEN: { is: "personal access token with the role IAM_LOGIN_CLIENT", secret: true },
    NEXT_PUBLIC_BASE_PATH: { is: "path below which it is served", oneOf: ["/ui/v2/login"] },
  },
  special: "pages.ts",
  http: {
    port: 3000,
    health: { path: "/ui/v2/login/healthy", fields: { status: { from: "status" } } },
    routes: { "GET /ui/v2/login": { html: "<!doctype html><title>Login</title>" } },
  },
  ownDomain: true,
  load: [
    {
      method: "GET",
      path: "/ui/v2/login/healthy",
      expect: [200],
      version: { header: "x-stand-in-version" },
    },
    { method: "GET", path: "/ui/v2/login", expect: [200] },
  ],
});
