import { standIn } from "../application.ts";
import { phoenixProgram, phoenixRelease, phoenixVariables } from "../phoenix.ts";

const release = "sertantai_legal";
const program = phoenixProgram(release);

/**
 * Sertantai's backend, a Phoenix API. Source: the seed `sertantai-legal.md`, and where it is silent
 * github.com/shotleybuilder/sertantai-legal at b7e02d9 (its files below `backend/` are named). The seed wins where they differ.
 * Shapes are read through it: it adds ELECTRIC_SECRET, so that no client ever has it.
 */
export const declaration = standIn({
  standsInFor: "Sertantai's backend",
  // Dockerfile
  workingDirectory: "/app",
  user: "1000:1000",
  entrypoint: ["/bin/bash", "-c", `${program} eval 'SertantaiLegal.Release.migrate()' && ${program} start`],
  // Names as in priv/repo/migrations.
  ...phoenixRelease(release, [
    { name: "20251221123139_add_uk_lrt_extensions_1" },
    { name: "20251221125621_add_uk_lrt" },
    { name: "20260103182553_enable_replica_identity_uk_lrt" },
    { name: "20260306205339_add_fitness_columns", since: 2 },
    { name: "20260401000000_broken", only: "broken-migration" },
  ]),
  // config/runtime.exs
  variables: {
    ...phoenixVariables,
    PHX_HOST: { is: "host name of the app", default: "legal.sertantai.com" },
    ELECTRIC_URL: { is: "where ElectricSQL is", url: ["http", "https"] },
    ELECTRIC_SECRET: { is: "what ElectricSQL asks for", secret: true },
    AUTH_URL: { is: "where sertantai-auth is", url: ["http", "https"] },
  },
  http: {
    port: 4000,
    health: {
      // lib/sertantai_legal_web/controllers/health_controller.ex, `index`: of the process alone.
      path: "/health",
      fields: {
        status: { from: "status", as: { healthy: "ok", degraded: "ok", unhealthy: "error" } },
        service: "sertantai-legal",
        timestamp: { from: "time" },
      },
      considers: [],
    },
    routes: {
      // lib/sertantai_legal_web/router.ex, "Public API endpoints".
      "GET /api/hello": { json: { message: "Hello from SertantAI Legal" } },
      "GET /api/uk-lrt": { sql: "SELECT id, name, title_en, year FROM uk_lrt ORDER BY name LIMIT 20" },
      "POST /api/uk-lrt/batch-exists": {
        sql: "SELECT name FROM uk_lrt WHERE name IN (SELECT jsonb_array_elements_text($1::jsonb->'names'))",
      },
    },
  },
  special: "shapes.ts",
  outside: [{ host: "AUTH_URL", why: "keys of tokens, and who may read a shape" }],
  load: [
    { method: "GET", path: "/health", expect: [200], weight: 9, version: { header: "x-stand-in-version" } },
    { method: "GET", path: "/api/uk-lrt", expect: [200], weight: 9 },
    {
      method: "POST",
      path: "/api/uk-lrt/batch-exists",
      body: JSON.stringify({ names: ["UK_ukpga_1974_37"] }),
      expect: [200],
      weight: 2,
    },
  ],
});
