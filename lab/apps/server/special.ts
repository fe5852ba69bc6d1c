import type { IncomingMessage } from "node:http";
import type { Pool } from "pg";
import type { Job } from "./jobs.ts";

/** What a route answers: a status and a JSON body; or a text of another type, or none. */
export interface Answer {
  readonly status: number;
  readonly body?: unknown;
  readonly html?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export type Route = (request: IncomingMessage, query: URLSearchParams) => Promise<Answer> | Answer;

/** What a declaration's own code gets to work with. */
export interface SpecialContext {
  /** @throws when the declaration has no database. */
  readonly pool: () => Pool;
  /** Value of a declared variable. @throws when it is not set. */
  readonly setting: (name: string) => string;
  readonly version: string;
}

/** What the module of {@link StandIn.special} may export. */
export interface Special {
  /** By method and path: `GET /api/v1/events`. */
  readonly routes?: (context: SpecialContext) => Readonly<Record<string, Route>>;
  /** By kind of job. */
  readonly jobs?: (context: SpecialContext) => Readonly<Record<string, (job: Job) => Promise<void>>>;
}
