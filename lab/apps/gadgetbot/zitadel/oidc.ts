import Provider, { type JWK } from "oidc-provider";
import type { Pool } from "pg";
import { decrypt, derivedKey } from "./crypto.ts";
import { stateIn } from "./state.ts";

/** Zitadel's OpenID Connect, by oidc-provider: Zitadel's paths and login v2; consent is given by having an account, as there. */
export async function openIdConnect(pool: Pool, domain: string, masterKey: string): Promise<Provider> {
  const { rows } = await pool.query<{ encrypted: Buffer }>("SELECT encrypted FROM keys WHERE id = 'oidc'");
  if (rows[0] === undefined) throw new Error("no instance: setup has not run");
  const key = JSON.parse(decrypt(rows[0].encrypted, masterKey)) as JWK;
  const provider = new Provider(`https://${domain}`, {
    adapter: stateIn(pool) as never,
    jwks: { keys: [key] },
    cookies: { keys: [derivedKey(masterKey, "cookies")] },
    scopes: ["openid", "offline_access"],
    claims: {
      openid: ["sub"],
      profile: ["name", "preferred_username"],
      email: ["email", "email_verified"],
    },
    routes: {
      authorization: "/oauth/v2/authorize",
      token: "/oauth/v2/token",
      jwks: "/oauth/v2/keys",
      revocation: "/oauth/v2/revoke",
      userinfo: "/oidc/v1/userinfo",
      end_session: "/oidc/v1/end_session",
    },
    pkce: { required: () => true },
    features: { devInteractions: { enabled: false }, revocation: { enabled: true } },
    // Zitadel's own (cmd/defaults.yaml, OIDCSettings; the session lasts as long as the browser's cookie).
    ttl: { AccessToken: 43_200, IdToken: 43_200, Session: 1_209_600, Grant: 1_209_600, Interaction: 3_600 },
    interactions: { url: (_context, { uid }) => `/ui/v2/login/login?authRequest=${uid}` },
    async loadExistingGrant({ oidc }) {
      const clientId = oidc.client?.clientId ?? "";
      const { accountId } = oidc.session ?? {};
      if (accountId === undefined) return undefined;
      const grant = new oidc.provider.Grant({ clientId, accountId });
      grant.addOIDCScope("openid profile email offline_access");
      await grant.save();
      return grant;
    },
    async findAccount(_context, id) {
      const { rows: users } = await pool.query<{ name: string; email: string; login_name: string }>(
        "SELECT name, email, login_name FROM users WHERE id = $1",
        [id],
      );
      const [user] = users;
      if (user === undefined) return undefined;
      const { name, email, login_name: preferred_username } = user;
      return {
        accountId: id,
        claims: () => ({ sub: id, name, email, email_verified: true, preferred_username }),
      };
    },
  });
  // The edge says what the client asked for.
  provider.proxy = true;
  return provider;
}
