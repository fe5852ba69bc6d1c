import { createHmac, timingSafeEqual } from "node:crypto";

/** The claims of a token: JSON Web Token, HS256. Times in seconds since 1970. */
export interface Claims {
  readonly sub: string;
  readonly iat: number;
  readonly exp: number;
}

const header = encode({ alg: "HS256", typ: "JWT" });

export function signToken(claims: Claims, secret: string): string {
  const content = `${header}.${encode(claims)}`;
  return `${content}.${signature(content, secret)}`;
}

/** The claims of a token that this secret signed and that has not expired at `nowSeconds`; else undefined. */
export function verifyToken(token: string, secret: string, nowSeconds: number): Claims | undefined {
  const [head, body, given, ...rest] = token.split(".");
  // The token must not choose the algorithm: any header other than the server's is refused.
  if (head !== header || body === undefined || given === undefined || rest.length > 0) return undefined;
  if (!sameText(given, signature(`${head}.${body}`, secret))) return undefined;
  let claims: unknown;
  try {
    claims = JSON.parse(Buffer.from(body, "base64url").toString());
  } catch {
    return undefined;
  }
  if (!isClaims(claims) || claims.exp <= nowSeconds) return undefined;
  return claims;
}

/** Compares two texts in constant time. */
export function sameText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

function isClaims(value: unknown): value is Claims {
  if (typeof value !== "object" || value === null) return false;
  const { sub, iat, exp } = value as Record<string, unknown>;
  return typeof sub === "string" && typeof iat === "number" && typeof exp === "number";
}

function signature(content: string, secret: string): string {
  return createHmac("sha256", secret).update(content).digest("base64url");
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
