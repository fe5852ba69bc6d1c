import type { Adapter, AdapterPayload } from "oidc-provider";
import type { Pool } from "pg";

interface App {
  readonly client_id: string;
  readonly client_secret_hash: string | null;
  readonly redirect_uris: string[];
  readonly post_logout_redirect_uris: string[];
}

/** What oidc-provider keeps, in the database (its documentation, "Adapter"); its clients are the applications. */
export function stateIn(pool: Pool): (model: string) => Adapter {
  const found = async (condition: string, values: readonly unknown[]) => {
    const { rows } = await pool.query<{ payload: AdapterPayload }>(
      `SELECT payload FROM oidc_state WHERE ${condition} AND (expires_at IS NULL OR expires_at > now())`,
      [...values],
    );
    return rows[0]?.payload;
  };
  const app = async (id: string): Promise<AdapterPayload | undefined> => {
    const { rows } = await pool.query<App>("SELECT * FROM apps WHERE client_id = $1 AND kind = 'oidc'", [id]);
    const [row] = rows;
    if (row === undefined) return undefined;
    return {
      client_id: row.client_id,
      redirect_uris: row.redirect_uris,
      post_logout_redirect_uris: row.post_logout_redirect_uris,
      response_types: ["code"],
      grant_types: ["authorization_code", "refresh_token"],
      // One with a secret is of no use to a client without; what the secret was is not known here.
      ...(row.client_secret_hash === null
        ? { token_endpoint_auth_method: "none" }
        : { token_endpoint_auth_method: "client_secret_basic", client_secret: row.client_secret_hash }),
    };
  };
  return (model) => ({
    async upsert(id, payload, expiresInSeconds) {
      await pool.query(
        `INSERT INTO oidc_state VALUES ($1, $2, $3, now() + $4 * interval '1 second')
         ON CONFLICT (model, id) DO UPDATE SET payload = excluded.payload, expires_at = excluded.expires_at`,
        [model, id, JSON.stringify(payload), expiresInSeconds],
      );
    },
    find: (id) => (model === "Client" ? app(id) : found("model = $1 AND id = $2", [model, id])),
    findByUid: (uid) => found("model = $1 AND payload ->> 'uid' = $2", [model, uid]),
    findByUserCode: (code) => found("model = $1 AND payload ->> 'userCode' = $2", [model, code]),
    async consume(id) {
      await pool.query(
        `UPDATE oidc_state SET payload = payload || jsonb_build_object('consumed', extract(epoch FROM now())::int)
         WHERE model = $1 AND id = $2`,
        [model, id],
      );
    },
    async destroy(id) {
      await pool.query("DELETE FROM oidc_state WHERE model = $1 AND id = $2", [model, id]);
    },
    async revokeByGrantId(grantId) {
      await pool.query("DELETE FROM oidc_state WHERE model = $1 AND payload ->> 'grantId' = $2", [
        model,
        grantId,
      ]);
    },
  });
}
