import type { ClientOptions } from "./client.ts";
import type { Sample } from "./statistics.ts";

/**
 * The messages between the load generator and its client processes, one JSON text per line: the generator writes one
 * {@link ClientOptions} and closes the stream to stop the client; the client sends these.
 */
export type ClientMessage =
  | { readonly kind: "samples"; readonly samples: readonly Sample[] }
  /** The last one: all requests are answered. */
  | { readonly kind: "done" };

/** How often a client reports, in milliseconds. */
export const reportIntervalMs = 250;

export function parseOptions(line: string): ClientOptions {
  return JSON.parse(line) as ClientOptions;
}

/** Undefined for an incomplete line. */
export function parseMessage(line: string): ClientMessage | undefined {
  try {
    return JSON.parse(line) as ClientMessage;
  } catch {
    return undefined;
  }
}

export function formatLine(message: ClientMessage | ClientOptions): string {
  return `${JSON.stringify(message)}\n`;
}
