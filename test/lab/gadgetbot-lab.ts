import { readFileSync } from "node:fs";
import * as oidc from "openid-client";
import { type Answer, askEdge } from "./edge-client.ts";

/** A person's browser at the systems of a lab, and a client of OpenID Connect: both over TLS, straight to the machine's address. */

export const domain = "gadgetbot.vellandi.net";
export const authDomain = "gadgetbot-auth.vellandi.net";

export interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Sends one request; the certificate is checked against the lab's authority. */
export type Send = (url: string, asked?: Asked) => Promise<Answer>;

export function sender({ address, caFile }: { readonly address: string; readonly caFile: string }): Send {
  const ca = readFileSync(caFile);
  return (url, { headers = {}, ...asked } = {}) => {
    const { hostname, pathname, search } = new URL(url);
    return askEdge(address, hostname, pathname + search, {
      ...{ ...asked, headers: { ...headers, host: hostname } },
      ...{ rejectUnauthorized: true, ca, timeout: 20_000 },
    });
  };
}

/** Keeps cookies by host, and follows redirects. */
export class Browser {
  readonly #send: Send;
  readonly #cookies = new Map<string, Map<string, string>>();

  constructor(send: Send) {
    this.#send = send;
  }

  async ask(url: string, asked: Asked = {}): Promise<Answer> {
    const { hostname } = new URL(url);
    const jar = this.#cookies.get(hostname) ?? new Map<string, string>();
    this.#cookies.set(hostname, jar);
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
    const headers = { ...asked.headers, ...(cookie === "" ? {} : { cookie }) };
    const reply = await this.#send(url, { ...asked, headers });
    for (const line of [reply.headers["set-cookie"] ?? []].flat()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === "" || /;\s*max-age=0/i.test(line)) jar.delete(name);
      else jar.set(name, value);
    }
    return reply;
  }

  post(url: string, body: object): Promise<Answer> {
    return this.ask(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  }

  /** Follows redirects until one leads to an address that begins with `end`, or something else is answered. */
  async follow(from: string, end: string): Promise<{ readonly url: string; readonly reply?: Answer }> {
    let url = from;
    for (let hops = 0; hops < 10; hops += 1) {
      if (url.startsWith(end)) return { url };
      const reply = await this.ask(url);
      if (reply.status < 300 || reply.status > 399) return { url, reply };
      url = new URL(String(reply.headers.location), url).href;
    }
    throw new Error(`${from}: too many redirects, the last one to ${url}`);
  }

  /**
   * Opens an address that needs a login, signs in where login v2 asks, and goes on.
   * @returns the address to which it leads, below `end`
   */
  async signIn(from: string, end: string, loginName: string, password: string): Promise<string> {
    const there = await this.follow(from, end);
    if (there.url.startsWith(end)) return there.url;
    const page = new URL(there.url);
    if (page.pathname !== "/ui/v2/login/login" || there.reply?.status !== 200)
      throw new Error(`no login: ${there.url} answered ${there.reply?.status} ${there.reply?.body}`);
    const authRequest = page.searchParams.get("authRequest");
    const answer = await this.post(`${page.origin}${page.pathname}`, { authRequest, loginName, password });
    if (answer.status !== 302) throw new Error(`login: ${answer.status} ${answer.body}`);
    return (await this.follow(String(answer.headers.location), end)).url;
  }
}

/** openid-client (certified by the OpenID Foundation), as a public client with PKCE. */
export async function signInAs(
  send: Send,
  browser: Browser,
  person: {
    readonly clientId: string;
    readonly redirectUri: string;
    readonly loginName: string;
    readonly password: string;
  },
) {
  const { clientId, redirectUri, loginName, password } = person;
  const customFetch: oidc.CustomFetch = async (url, { method, headers, body }) => {
    const asked = { method, headers: { ...headers }, ...(body == null ? {} : { body: String(body) }) };
    const reply = await send(url, asked);
    const list = Object.entries(reply.headers).flatMap(([name, value]) =>
      [value ?? []].flat().map((each): [string, string] => [name, each]),
    );
    return new Response(reply.body === "" ? null : reply.body, { status: reply.status, headers: list });
  };
  const config = await oidc.discovery(new URL(`https://${authDomain}`), clientId, undefined, oidc.None(), {
    [oidc.customFetch]: customFetch,
  });
  const verifier = oidc.randomPKCECodeVerifier();
  const state = oidc.randomState();
  const url = oidc.buildAuthorizationUrl(config, {
    ...{ redirect_uri: redirectUri, scope: "openid profile email", state },
    ...{ code_challenge: await oidc.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256" },
  });
  const back = await browser.signIn(url.href, redirectUri, loginName, password);
  const tokens = await oidc.authorizationCodeGrant(config, new URL(back), {
    pkceCodeVerifier: verifier,
    expectedState: state,
  });
  const subject = tokens.claims()?.sub ?? "";
  return { tokens, person: await oidc.fetchUserInfo(config, tokens.access_token, subject) };
}

/** An application or a project, as the management API shows it, or what its calls answer. */
export interface Managed {
  readonly id: string;
  readonly name: string;
  readonly oidcConfig: Readonly<Record<string, unknown>>;
  readonly clientId: string;
  readonly clientSecret?: string;
}

/** Zitadel's management API as the console calls it for its first user. @returns what it answers, as JSON */
export async function managementApi(
  send: Send,
  person: { readonly loginName: string; readonly password: string },
) {
  const auth = `https://${authDomain}`;
  const { body } = await send(`${auth}/ui/console/assets/environment.json`);
  const { clientid } = JSON.parse(body) as { clientid: string };
  const operator = { ...person, clientId: clientid, redirectUri: `${auth}/ui/console/auth/callback` };
  const { tokens } = await signInAs(send, new Browser(send), operator);
  const headers = { authorization: `Bearer ${tokens.access_token}`, "content-type": "application/json" };
  return async <T = Managed>(method: string, path: string, asked?: object): Promise<T> => {
    const reply = await send(`${auth}/management/v1${path}`, {
      ...{ method, headers, ...(asked !== undefined && { body: JSON.stringify(asked) }) },
    });
    return JSON.parse(reply.body) as T;
  };
}

/** Signs in at the app, by Zitadel where it does not know who it is. @returns the address to which the app leads. */
export async function signInAtApp(
  browser: Browser,
  person: { readonly loginName: string; readonly password: string },
): Promise<string> {
  const app = `https://${domain}`;
  const begun = await browser.post(`${app}/api/auth/sign-in/social`, { provider: "zitadel" });
  const { url } = JSON.parse(begun.body) as { url: string };
  return browser.signIn(url, `${app}/admin`, person.loginName, person.password);
}

/** Who is signed in at the app; null for nobody. */
export async function sessionAtApp(browser: Browser): Promise<unknown> {
  return JSON.parse((await browser.ask(`https://${domain}/api/auth/get-session`)).body) as unknown;
}
