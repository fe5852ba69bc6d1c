CREATE TABLE users (
    id text PRIMARY KEY,
    name text NOT NULL,
    email text NOT NULL UNIQUE
);
CREATE TABLE sessions (
    token text PRIMARY KEY,
    user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
    expires_at timestamptz NOT NULL
);
CREATE TABLE verifications (
    identifier text PRIMARY KEY,
    value text NOT NULL,
    expires_at timestamptz NOT NULL
);
