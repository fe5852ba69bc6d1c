import { bearer } from "../../server/http.ts";
import type { Answer, Route, SpecialContext } from "../../server/special.ts";

/**
 * The way of a shape's request through the backend (lib/sertantai_legal_web/controllers/electric_proxy_controller.ex): tables of
 * public reference data pass, others are asked of sertantai-auth's gatekeeper; the secret is added here, and Electric's headers go back.
 */

const publicTables = ["uk_lrt", "lat", "amendment_annotations"];
const passed = ["table", "where", "columns", "offset", "handle", "live", "cursor", "replica", "log"];
const waitMilliseconds = 60_000;

/** By method and path. */
export function routes({ setting }: SpecialContext): Readonly<Record<string, Route>> {
  async function permitted(table: string, authorization: string): Promise<Answer | undefined> {
    if (publicTables.includes(table)) return undefined;
    if (authorization === "") return { status: 401, body: { error: "Authentication required" } };
    const response = await fetch(`${setting("AUTH_URL")}/api/gatekeeper`, {
      method: "POST",
      headers: { authorization, "content-type": "application/json" },
      body: JSON.stringify({ shape: { table } }),
      signal: AbortSignal.timeout(10_000),
    }).catch(() => undefined);
    if (response?.status === 200) return undefined;
    if (response?.status === 401) return { status: 401, body: { error: "Authentication required" } };
    return { status: 502, body: { error: "Auth service error" } };
  }

  return {
    async "GET /api/electric/v1/shape"(request, query) {
      const table = query.get("table") ?? "";
      if (table === "") return { status: 400, body: { error: "Missing or invalid table parameter" } };
      const token = bearer(request);
      const refused = await permitted(table, token === "" ? "" : `Bearer ${token}`);
      if (refused !== undefined) return refused;
      const asked = [...query].filter(([name]) => passed.includes(name));
      const search = new URLSearchParams([...asked, ["secret", setting("ELECTRIC_SECRET")]]);
      const response = await fetch(`${setting("ELECTRIC_URL")}/v1/shape?${search}`, {
        signal: AbortSignal.timeout(waitMilliseconds),
      }).catch(() => undefined);
      if (response === undefined)
        return { status: 502, body: { error: "Electric sync service unavailable" } };
      const electric = [...response.headers].filter(([name]) => name.startsWith("electric-"));
      return {
        status: response.status,
        html: await response.text(),
        headers: {
          ...Object.fromEntries(electric),
          "Content-Type": "application/json",
          "Cache-Control": "no-store",
          Vary: "Authorization",
        },
      };
    },
  };
}
