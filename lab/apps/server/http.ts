import type { IncomingMessage } from "node:http";

/** An invalid request: answered with 400 and this message. */
export class BadRequest extends Error {}

const bodyBytes = 64 * 1024;

/** The request's body, a JSON object or list. @throws BadRequest */
export async function readJson(request: IncomingMessage): Promise<object> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > bodyBytes) throw new BadRequest(`the body is larger than ${bodyBytes} bytes`);
    chunks.push(chunk);
  }
  try {
    const value: unknown = JSON.parse(Buffer.concat(chunks).toString());
    if (typeof value === "object" && value !== null) return value;
  } catch {
    // Answered below, like any other body that is not an object.
  }
  throw new BadRequest("the body must be a JSON object");
}

/** The token of `Authorization: Bearer …`, empty without one. */
export function bearer(request: IncomingMessage): string {
  return /^Bearer (\S+)$/i.exec(request.headers.authorization ?? "")?.[1] ?? "";
}
