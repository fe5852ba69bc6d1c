CREATE TABLE keys (
    id text PRIMARY KEY,
    -- A private JSON Web Key, by AES-256-GCM under the master key.
    encrypted bytea NOT NULL
);
CREATE TABLE users (
    id text PRIMARY KEY,
    login_name text NOT NULL UNIQUE,
    name text NOT NULL,
    email text,
    password_hash text,
    role text NOT NULL
);
CREATE TABLE access_tokens (
    hash text PRIMARY KEY,
    user_id text NOT NULL REFERENCES users,
    expires_at timestamptz NOT NULL
);
CREATE TABLE projects (
    id text PRIMARY KEY,
    name text NOT NULL UNIQUE
);
CREATE TABLE apps (
    id text PRIMARY KEY,
    client_id text NOT NULL UNIQUE,
    project_id text NOT NULL REFERENCES projects,
    name text NOT NULL,
    client_secret_hash text,
    redirect_uris text [] NOT NULL,
    post_logout_redirect_uris text [] NOT NULL,
    UNIQUE (project_id, name)
);
