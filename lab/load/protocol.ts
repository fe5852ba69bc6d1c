import type { ClientOptions } from "./client.ts";
import type { Sample } from "./statistics.ts";

/**
 * What the load generator and its client processes say to each other, one JSON text a line: the generator writes one
 * {@link ClientOptions} and ends the stream when the client is to stop; the client answers with these.
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

/** Undefined for a line that is cut off. */
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
