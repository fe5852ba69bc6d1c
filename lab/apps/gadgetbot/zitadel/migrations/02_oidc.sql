CREATE TABLE sessions (
    id text PRIMARY KEY,
    token_hash text NOT NULL,
    user_id text NOT NULL REFERENCES users,
    created_at timestamptz NOT NULL DEFAULT now()
);
-- What oidc-provider keeps: sessions, interactions, grants, codes and tokens.
CREATE TABLE oidc_state (
    model text NOT NULL,
    id text NOT NULL,
    payload jsonb NOT NULL,
    expires_at timestamptz,
    PRIMARY KEY (model, id)
);
CREATE INDEX oidc_state_uid ON oidc_state ((payload ->> 'uid'));
CREATE INDEX oidc_state_grant ON oidc_state ((payload ->> 'grantId'));
