import { standIn } from "../application.ts";
import { phoenixProgram, phoenixRelease, phoenixVariables } from "../phoenix.ts";

const release = "ehs_enforcement";

/**
 * sertantai-enforcement, a Phoenix app with LiveView. Source: the seed `sertantai-legal.md` ("Key ports": 4002), and where it is silent
 * github.com/shotleybuilder/sertantai-enforcement at 194265e, whose files are named. Its image has curl and no wget (Dockerfile).
 */
export const declaration = standIn({
  standsInFor: "sertantai-enforcement",
  // Dockerfile
  workingDirectory: "/app",
  user: "999:999",
  entrypoint: [phoenixProgram(release), "start"],
  // The first two are named as in priv/repo/migrations.
  ...phoenixRelease(release, [
    { name: "20250725083907_create_enforcement_resources" },
    { name: "20250812081847_enable_pg_trgm_indexes" },
    { name: "20260201120000_add_notices", since: 2 },
    { name: "20260401000000_broken", only: "broken-migration" },
  ]),
  // config/runtime.exs
  variables: {
    ...phoenixVariables,
    PHX_HOST: { is: "host name of the app", default: "example.com" },
    GITHUB_CLIENT_ID: { is: "OAuth client id of GitHub" },
    GITHUB_CLIENT_SECRET: { is: "OAuth client secret of GitHub", secret: true },
    TOKEN_SIGNING_SECRET: { is: "key that signs tokens; mix phx.gen.secret", secret: true },
  },
  http: {
    port: 4002,
    health: {
      // lib/ehs_enforcement_web/controllers/health_controller.ex
      path: "/health",
      fields: {
        status: { from: "status", as: { healthy: "ok", degraded: "ok", unhealthy: "error" } },
        timestamp: { from: "time" },
        version: { from: "version" },
        environment: "prod",
        database: { from: "database" },
      },
      considers: ["database"],
    },
    routes: {
      "GET /": { html: "<!doctype html><title>EHS Enforcement</title>" },
      // lib/ehs_enforcement_web/router.ex
      "GET /api/agencies": { sql: "SELECT code, name, enabled FROM agencies ORDER BY code" },
    },
    // lib/ehs_enforcement_web/endpoint.ex, and `check_origin` of config/runtime.exs.
    webSocket: {
      path: "/live/websocket",
      origins: ["https://ehs-enforcement.sertantai.com", "https://www.ehs-enforcement.sertantai.com"],
    },
  },
  load: [{ method: "GET", path: "/health", expect: [200], weight: 1 }],
});
