import type { IncomingMessage, ServerResponse } from "node:http";
import type { ClientConfig, Pool } from "pg";
import type { Job } from "./jobs.ts";

/** The response of a route: a status and a JSON body, a text of another type, or no body. */
export interface Answer {
  readonly status: number;
  readonly body?: unknown;
  readonly html?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export type Route = (request: IncomingMessage, query: URLSearchParams) => Promise<Answer> | Answer;

export type OtherRoutes = (
  request: IncomingMessage,
  response: ServerResponse,
) => Promise<Answer | "answered" | undefined>;

/** The arguments for the code of a declaration. */
export interface SpecialContext {
  /** @throws when the declaration has no database. */
  readonly pool: () => Pool;
  /** For connections beside the pool's. */
  readonly connection: () => ClientConfig;
  /** Value of a declared variable. @throws when it is not set. */
  readonly setting: (name: string) => string;
  readonly version: string;
  /** What is closed when the server ends, as a connection that would keep the process from ending. */
  readonly atEnd: (close: () => Promise<unknown>) => void;
}

/** The possible exports of the module {@link StandIn.special}. */
export interface Special {
  /** By method and path: `GET /api/v1/events`. */
  readonly routes?: (context: SpecialContext) => Readonly<Record<string, Route>>;
  /** Answers what no route does: paths with parameters, and `"answered"` what a library has answered by itself. */
  readonly other?: (context: SpecialContext) => OtherRoutes | Promise<OtherRoutes>;
  /** By kind of job. */
  readonly jobs?: (context: SpecialContext) => Readonly<Record<string, (job: Job) => Promise<void>>>;
}
