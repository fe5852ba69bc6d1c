import { setTimeout as sleep } from "node:timers/promises";

/** A JSON response of the API, not yet validated. */
export type Json = { readonly [key: string]: unknown };

interface ActionJson {
  readonly id: number;
  readonly status: "running" | "success" | "error";
  readonly command: string;
  readonly error: { readonly code: string; readonly message: string } | null;
}

/** An error response; `code` is Hetzner's. */
export class HcloudError extends Error {
  readonly code: string;
  readonly status: number;
  constructor(request: string, status: number, code: string, message: string, details: readonly string[]) {
    const lines = details.map((detail) => `\n  ${detail}`).join("");
    super(`${request}: ${message} (${code}, status ${status})${lines}`);
    this.code = code;
    this.status = status;
  }
}

export interface HcloudApi {
  /** Sends a request below the endpoint. Throws {@link HcloudError} for an error response. */
  send(method: string, path: string, body?: object): Promise<Json>;
  /** Like `send` with GET; undefined for an object that does not exist. */
  find(path: string): Promise<Json | undefined>;
  /** Waits for the actions of a response (`action`, `actions`, `next_actions`); throws when one fails. */
  settle(answer: Json): Promise<void>;
  /** Repeats a request that fails with one of these error codes, as the real provider does: 5 tries, 1 to 16 seconds apart. */
  retry<T>(codes: readonly string[], work: () => Promise<T>): Promise<T>;
}

interface HcloudApiOptions {
  /** With the version: `http://127.0.0.1:4711/v1`. */
  readonly endpoint: string;
  readonly token: string;
  /** Interval between two requests for the status of a running action. */
  readonly pollMilliseconds: number;
  /** Deadline, in the time of `Date.now()`. */
  readonly deadline: number;
}

const requestTimeoutMilliseconds = 30_000;
/** hcloud-go's own: five retries after 1, 2, 4, 8 and 16 seconds. */
const retries = 5;

function fieldMessages(details: unknown): string[] {
  const fields =
    typeof details === "object" && details !== null ? (details as { fields?: unknown }).fields : undefined;
  return Array.isArray(fields)
    ? fields.map(({ name, messages }: { name?: string; messages?: string[] }) =>
        messages ? `${name}: ${messages.join(", ")}` : String(name),
      )
    : [];
}

/** Errors after which hcloud-go itself repeats a request. */
function repeated(error: unknown): boolean {
  return (
    error instanceof HcloudError &&
    (["conflict", "rate_limit_exceeded"].includes(error.code) || error.status === 502 || error.status === 504)
  );
}

/** A client of the Hetzner Cloud API, with hcloud-go's retries and polling. */
export function createApi({ endpoint, token, pollMilliseconds, deadline }: HcloudApiOptions): HcloudApi {
  const once = async (method: string, path: string, body?: object): Promise<Json> => {
    const request = `${method} ${path}`;
    let response: Response;
    let text: string;
    try {
      response = await fetch(endpoint + path, {
        method,
        headers: {
          Authorization: `Bearer ${token}`,
          "User-Agent": "berth-lab",
          ...(body ? { "Content-Type": "application/json" } : {}),
        },
        ...(body ? { body: JSON.stringify(body) } : {}),
        signal: AbortSignal.timeout(requestTimeoutMilliseconds),
      });
      text = await response.text();
    } catch (error) {
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
      throw new Error(`${request}: no answer from ${endpoint}: ${(cause as Error).message}`);
    }
    const answer = text === "" ? {} : (JSON.parse(text) as Json);
    if (!response.ok) {
      const error = (answer.error ?? {}) as { code?: string; message?: string; details?: unknown };
      throw new HcloudError(
        request,
        response.status,
        error.code ?? "unknown",
        error.message ?? response.statusText,
        fieldMessages(error.details),
      );
    }
    return answer;
  };

  const repeat = async <T>(again: (error: unknown) => boolean, work: () => Promise<T>): Promise<T> => {
    for (let attempt = 0; ; attempt++) {
      try {
        return await work();
      } catch (error) {
        const pause = 1000 * 2 ** attempt;
        if (attempt >= retries || !again(error) || Date.now() + pause > deadline) {
          throw error;
        }
        await sleep(pause);
      }
    }
  };

  const send: HcloudApi["send"] = (method, path, body) => repeat(repeated, () => once(method, path, body));

  const wait = async (started: ActionJson): Promise<void> => {
    let action = started;
    while (action.status === "running") {
      if (Date.now() > deadline) {
        throw new Error(`action ${action.id} (${action.command}) is still running at its deadline`);
      }
      await sleep(pollMilliseconds);
      action = (await send("GET", `/actions/${action.id}`)).action as ActionJson;
    }
    if (action.status === "error") {
      const { code, message } = action.error ?? { code: "unknown", message: "no reason given" };
      throw new Error(`action ${action.id} (${action.command}) failed: ${message} (${code})`);
    }
  };

  return {
    send,
    async find(path) {
      try {
        return await send("GET", path);
      } catch (error) {
        if (error instanceof HcloudError && error.code === "not_found") {
          return undefined;
        }
        throw error;
      }
    },
    async settle(answer) {
      const actions = [answer.action, answer.actions, answer.next_actions].flat() as (
        | ActionJson
        | null
        | undefined
      )[];
      for (const action of actions) {
        if (action) {
          await wait(action);
        }
      }
    },
    retry: (codes, work) =>
      repeat((error) => error instanceof HcloudError && codes.includes(error.code), work),
  };
}
