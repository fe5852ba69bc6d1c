import { timingSafeEqual } from "node:crypto";
import { join } from "node:path";
import type { Answer, Route, SpecialContext } from "../../server/special.ts";
import { deliberateFailure } from "../../server/version.ts";
import { replicate } from "./replication.ts";
import { type Definition, InvalidShape, isAfter, offsets, openShapes, type Shape } from "./shapes.ts";

/** ElectricSQL's HTTP interface: shapes and health. */

/** How long a request waits until the replication runs (lib/electric/shapes/api.ex, stack_ready_timeout). */
const readyMilliseconds = 5_000;

/** By method and path. */
export function routes(context: SpecialContext): Readonly<Record<string, Route>> {
  const { pool, connection, setting, version } = context;
  const secret = setting("ELECTRIC_SECRET");
  const longPoll = Number(setting("ELECTRIC_LONG_POLL_TIMEOUT"));
  let stopping = false;
  const shapes = openShapes(
    join(setting("ELECTRIC_STORAGE_DIR"), "shapes"),
    pool,
    () => replication.publication,
  );
  const replication = replicate({
    connection: connection(),
    streamId: setting("ELECTRIC_REPLICATION_STREAM_ID"),
    onNewSlot: async () => (await shapes).clear(),
    onTransaction: async (transaction) => (await shapes).add(transaction),
    log: (message) => console.log(JSON.stringify({ level: "INFO", message })),
  });
  process.once("SIGTERM", () => {
    stopping = true;
    void replication.stop();
    void shapes.then((each) => each.wake());
  });

  const state = () => (deliberateFailure(version) === "health" ? "starting" : replication.state());
  async function active(): Promise<boolean> {
    const deadline = performance.now() + readyMilliseconds;
    while (state() !== "active" && performance.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 100));
    return state() === "active";
  }

  async function shapeAnswer(query: URLSearchParams): Promise<Answer> {
    const offset = query.get("offset") ?? "";
    const handle = query.get("handle");
    const live = query.get("live") === "true";
    const errors = {
      ...(/^(-1|now|\d+_(\d+|inf))$/.test(offset) ? {} : { offset: ["has invalid format"] }),
      ...(handle === null && offset !== "-1" && offset !== "now"
        ? { handle: ["can't be blank when offset != -1"] }
        : {}),
    };
    if (Object.keys(errors).length > 0) return { status: 400, body: { message: "Invalid request", errors } };
    if (!(await active()))
      return { status: 503, headers: { "Retry-After": "5" }, body: { message: "Stack not ready" } };
    const all = await shapes;
    const shape = await all.of(definitionOf(query));
    if (handle !== null && handle !== shape.handle) {
      return {
        status: 409,
        headers: { "electric-handle": shape.handle },
        body: [{ headers: { control: "must-refetch" } }],
      };
    }
    if (offset === offsets.beforeAll) {
      const lines = (await all.snapshot(shape)).replaceAll("\n", ",");
      return json(`[${lines}]`, shape, { offset: offsets.afterSnapshot });
    }
    const newer = () => shape.log.filter((entry) => isAfter(entry.offset, offset));
    const until = performance.now() + longPoll;
    while (live && newer().length === 0 && !stopping && performance.now() < until) {
      await all.change(until - performance.now());
      if (all.byHandle(shape.handle) === undefined)
        return { status: 409, body: [{ headers: { control: "must-refetch" } }] };
    }
    const entries = newer();
    const upToDate = JSON.stringify({
      headers: { control: "up-to-date", global_last_seen_lsn: String(replication.position()) },
    });
    return json(`[${[...entries.map(({ text }) => text), upToDate].join(",")}]`, shape, {
      offset: entries.at(-1)?.offset ?? offset,
      live,
      upToDate: true,
    });
  }

  return {
    async "GET /v1/shape"(_request, query) {
      if (!sameText(query.get("secret") ?? query.get("api_secret") ?? "", secret))
        return { status: 401, body: { message: "Unauthorized - Invalid API secret" } };
      return shapeAnswer(query).catch((error: unknown) => {
        if (!(error instanceof InvalidShape)) throw error;
        return { status: 400, body: { message: "Invalid request", errors: { table: [error.message] } } };
      });
    },

    "GET /v1/health"() {
      const headers = { "Cache-Control": "no-cache, no-store, must-revalidate" };
      return { status: state() === "active" ? 200 : 202, headers, body: { status: state() } };
    },
  };
}

function definitionOf(query: URLSearchParams): Definition {
  const table = query.get("table") ?? "";
  if (!/^(\w+\.)?\w+$/.test(table)) throw new InvalidShape("can't be blank");
  return {
    table: table.includes(".") ? table : `public.${table}`,
    where: query.get("where"),
    // Names as SQL has them, in quotes or without (lib/electric/plug/utils.ex, parse_columns_param).
    columns:
      query
        .get("columns")
        ?.split(",")
        .map((name) => name.replace(/^"(.*)"$/, "$1")) ?? null,
  };
}

function json(
  text: string,
  { handle, columns }: Shape,
  about: { readonly offset: string; readonly live?: boolean; readonly upToDate?: boolean },
): Answer {
  const schema = columns.map(({ name, type, dims, key, required }) => [
    name,
    {
      type,
      ...(dims > 0 ? { dims } : {}),
      ...(key === null ? {} : { pk_index: key }),
      ...(required ? { not_null: true } : {}),
    },
  ]);
  return {
    status: 200,
    html: text,
    headers: {
      "Content-Type": "application/json",
      "electric-handle": handle,
      "electric-offset": about.offset,
      ...(about.live
        ? { "electric-cursor": String(Date.now()) }
        : { "electric-schema": JSON.stringify(Object.fromEntries(schema)) }),
      ...(about.upToDate ? { "electric-up-to-date": "" } : {}),
    },
  };
}

function sameText(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}
