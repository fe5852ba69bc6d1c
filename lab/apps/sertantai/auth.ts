import { standIn } from "../application.ts";
import { phoenixProgram, phoenixRelease, phoenixVariables } from "../phoenix.ts";

const release = "sertantai_auth";

/**
 * sertantai-auth, a Phoenix app whose own source is not public. Source: the seed `sertantai-legal.md` ("Key ports": 4001), and what its
 * neighbour asks of it, github.com/shotleybuilder/sertantai-legal at b7e02d9: backend/lib/sertantai_legal/auth/jwks_client.ex and
 * backend/lib/sertantai_legal_web/controllers/electric_proxy_controller.ex (`/api/gatekeeper`). Release, health and record of migrations are
 * taken as its neighbours have them; its tables are the stand-in's.
 */
export const declaration = standIn({
  standsInFor: "sertantai-auth",
  workingDirectory: "/app",
  user: "1000:1000",
  entrypoint: [phoenixProgram(release), "start"],
  ...phoenixRelease(release, [
    { name: "20251101120000_add_users" },
    { name: "20260301120000_add_organizations", since: 2 },
    { name: "20260401000000_broken", only: "broken-migration" },
  ]),
  variables: {
    ...phoenixVariables,
  },
  http: {
    port: 4001,
    health: {
      path: "/health",
      fields: {
        status: { from: "status", as: { healthy: "ok", degraded: "ok", unhealthy: "error" } },
        service: "sertantai-auth",
        timestamp: { from: "time" },
      },
      considers: [],
    },
    routes: {
      "GET /.well-known/jwks.json": {
        json: { keys: [{ kty: "OKP", crv: "Ed25519", alg: "EdDSA", use: "sig", kid: "stand-in", x: "" }] },
      },
      // Nobody has a token of it.
      "POST /api/gatekeeper": { status: 401, json: { error: "Authentication required" } },
    },
  },
  load: [{ method: "GET", path: "/health", expect: [200], weight: 1 }],
});
