import { z } from "zod";
import { ApiError, invalidInput } from "./errors.ts";
import { parseSelector } from "./selector.ts";

/** One parsed request. */
interface Call {
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly body: unknown;
}

export interface Answer {
  readonly status: number;
  readonly body: object | undefined;
}

export type Handler = (call: Call) => Answer;

interface Route {
  readonly method: string;
  readonly pattern: readonly string[];
  readonly handler: Handler;
}

/** Routes below /v1, as `"POST /servers/:id/actions/poweron"`. */
export type Routes = Readonly<Record<string, Handler>>;

/** Finds the handler for a request; throws Hetzner's 404 for a route that the lab does not have. */
export type Router = (method: string, path: string) => { handler: Handler; params: Record<string, string> };

export function createRouter(tables: readonly Routes[]): Router {
  const routes: Route[] = tables.flatMap((table) =>
    Object.entries(table).map(([key, handler]) => {
      const [method = "", path = ""] = key.split(" ");
      return { method, pattern: path.slice(1).split("/"), handler };
    }),
  );
  return (method, path) => {
    const parts = path.slice(1).split("/").map(decodeURIComponent);
    for (const route of routes) {
      if (route.method !== method || route.pattern.length !== parts.length) {
        continue;
      }
      const params: Record<string, string> = {};
      const fits = route.pattern.every((piece, index) => {
        const part = parts[index] ?? "";
        if (!piece.startsWith(":")) {
          return piece === part;
        }
        params[piece.slice(1)] = part;
        return part !== "";
      });
      if (fits) {
        return { handler: route.handler, params };
      }
    }
    throw new ApiError(404, "not_found", `${method} /v1${path} is not supported by the lab's cloud`);
  };
}

export const ok = (body: object): Answer => ({ status: 200, body });
export const created = (body: object): Answer => ({ status: 201, body });
export const noContent: Answer = { status: 204, body: undefined };

/** Checks a request's body; throws `invalid_input` that names every invalid field. Unknown fields are refused. */
export function parseBody<T extends z.ZodType>(schema: T, body: unknown): z.output<T> {
  const result = schema.safeParse(body ?? {});
  if (result.success) {
    return result.data;
  }
  const fields: Record<string, string> = {};
  for (const issue of result.error.issues) {
    if (issue.code === "unrecognized_keys") {
      for (const key of issue.keys) {
        fields[[...issue.path, key].join(".")] = "is not supported by the lab's cloud";
      }
    } else {
      fields[issue.path.join(".") || "body"] = issue.message;
    }
  }
  throw invalidInput(fields);
}

/** Schemas that many requests share. */
export const labelsField = z.record(z.string(), z.string());
export const nameField = z.string().min(1, "must not be empty").max(128, "is too long");

interface Listed {
  readonly id?: number | string;
  readonly name?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly created?: string;
}

function positive(query: URLSearchParams, key: string, fallback: number, most: number): number {
  const text = query.get(key);
  if (text === null || text === "") {
    return fallback;
  }
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) {
    throw invalidInput({ [key]: `"${text}" is not a number from 1 to ${most}` });
  }
  return Math.min(number, most);
}

/**
 * A page of a list with Hetzner's `meta.pagination`: filters by `name` and `label_selector`, sorts by `sort=field:asc`,
 * 25 entries a page unless `per_page` says otherwise (at most 50).
 */
export function listPage<T extends Listed>(
  key: string,
  items: readonly T[],
  query: URLSearchParams,
  render: (item: T) => object = (item) => item,
): Answer {
  const selector = query.get("label_selector");
  const selected = selector ? parseSelector(selector) : () => true;
  const name = query.get("name");
  const kept = items.filter((item) => (name === null || item.name === name) && selected(item.labels ?? {}));
  for (const order of query.getAll("sort").toReversed()) {
    const [field = "", direction = "asc"] = order.split(":");
    if (!["id", "name", "created", "status", "command"].includes(field)) {
      throw invalidInput({ sort: `"${order}" cannot be sorted by` });
    }
    const of = (item: T) => (item as Record<string, unknown>)[field] as string | number;
    kept.sort((a, b) => (of(a) < of(b) ? -1 : of(a) > of(b) ? 1 : 0) * (direction === "desc" ? -1 : 1));
  }
  const page = positive(query, "page", 1, Number.MAX_SAFE_INTEGER);
  const per_page = positive(query, "per_page", 25, 50);
  const last_page = Math.max(1, Math.ceil(kept.length / per_page));
  return ok({
    [key]: kept.slice((page - 1) * per_page, page * per_page).map(render),
    meta: {
      pagination: {
        page,
        per_page,
        previous_page: page > 1 ? page - 1 : null,
        next_page: page < last_page ? page + 1 : null,
        last_page,
        total_entries: kept.length,
      },
    },
  });
}
