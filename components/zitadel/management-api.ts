import { request } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * A client of Zitadel's management API, version 1 (proto/zitadel/management.proto of github.com/zitadel/zitadel; Zitadel 4 still answers
 * it). Pulumi's host for dynamic providers loads it with application-provider.ts, so it imports nothing of the program.
 */

/** A Zitadel, and who asks it. */
export interface ZitadelAccess {
  /** Host name of Zitadel, and of its certificate. */
  readonly domain: string;
  /** Where the edge that serves it listens: a name need not be known everywhere when the first `up` asks. */
  readonly address: string;
  /** 443 when left out. */
  readonly port?: number;
  /** Certificate of the authority that signed the edge's, where nobody trusts that one by itself. */
  readonly authorityPem?: string;
  /** Personal access token of a user that may write projects. */
  readonly token: string;
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

const requestSeconds = 15;
/** A Zitadel that has just taken over may refuse a few requests. */
const patienceSeconds = 60;
/** FAILED_PRECONDITION with this id: the application is as it was asked to be. */
const unchanged = /no changes|NoChangesFound|not changed/i;

function ask(access: ZitadelAccess, method: string, path: string, body?: object): Promise<Answer> {
  const { domain, address, port = 443, authorityPem, token } = access;
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        ...{ host: address, port, servername: domain, method, path: `/management/v1${path}`, agent: false },
        ...{ timeout: requestSeconds * 1000, ...(authorityPem !== undefined && { ca: authorityPem }) },
        headers: {
          ...{ host: domain, authorization: `Bearer ${token}`, accept: "application/json" },
          ...(body !== undefined && { "content-type": "application/json" }),
        },
      },
      (response) => {
        let said = "";
        response.setEncoding("utf8").on("data", (part: string) => {
          said += part;
        });
        response.on("error", reject);
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body: said }));
      },
    );
    sent.on("timeout", () => sent.destroy(new Error(`no answer within ${requestSeconds} s`)));
    sent.on("error", reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** Repeats what no server has answered, or a proxy in its place. @throws what was said last */
export async function call<T>(
  access: ZitadelAccess,
  method: string,
  path: string,
  body?: object,
): Promise<{ readonly status: number; readonly said: T }> {
  const where = `${method} https://${access.domain}/management/v1${path}`;
  const end = Date.now() + patienceSeconds * 1000;
  for (;;) {
    const answer = await ask(access, method, path, body).catch((error: Error) => error);
    if (!(answer instanceof Error) && answer.status < 500) {
      if (answer.status === 401 || answer.status === 403)
        throw new Error(
          `${where}: Zitadel refuses the token (${answer.status} ${answer.body.slice(0, 200)}). Put another one in its place: docs/runbooks/gadgetbot.md, "The application at Zitadel"`,
        );
      if (answer.status < 300 || answer.status === 404 || unchanged.test(answer.body))
        return { status: answer.status, said: parsed(answer.body) as T };
      throw new Error(`${where}: ${answer.status} ${answer.body.slice(0, 500)}`);
    }
    const last = answer instanceof Error ? answer.message : `${answer.status} ${answer.body.slice(0, 200)}`;
    if (Date.now() > end) throw new Error(`${where}: not within ${patienceSeconds} s: ${last}`);
    await sleep(1000);
  }
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return {};
  }
}
