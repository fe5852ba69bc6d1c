import type { IncomingMessage } from "node:http";
import type { Cors } from "../application.ts";

/** What an answer says to a page of another origin, and whether the request only asked for that. */
export interface CorsAnswer {
  readonly headers: Readonly<Record<string, string>>;
  readonly preflight: boolean;
}

const nothing: CorsAnswer = { headers: {}, preflight: false };

/** Origins are compared as they are: one with a slash at its end is nobody's. */
export function createCors(
  cors: Cors | undefined,
  values: Readonly<Record<string, string>>,
): (request: Pick<IncomingMessage, "headers" | "method">, path: string) => CorsAnswer {
  if (cors === undefined) return () => nothing;
  const allowed = (values[cors.origins] ?? "").split(",").filter((origin) => origin !== "");
  return ({ headers, method }, path) => {
    const { origin } = headers;
    if (origin === undefined || !path.startsWith(cors.under)) return nothing;
    const preflight = method === "OPTIONS";
    if (!allowed.includes(origin)) return { headers: {}, preflight };
    return {
      preflight,
      headers: {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": cors.methods.join(", "),
        "Access-Control-Allow-Headers": cors.headers.join(", "),
        "Access-Control-Expose-Headers": cors.exposed.join(", "),
        "Access-Control-Allow-Credentials": "true",
        Vary: "Origin",
      },
    };
  };
}
