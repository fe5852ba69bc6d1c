CREATE TABLE prompts (
    id varchar(26) PRIMARY KEY,
    text varchar(500) NOT NULL,
    category varchar(100),
    "createdAt" timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE users (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email text NOT NULL UNIQUE
);
CREATE TABLE sessions (
    token text PRIMARY KEY,
    "userId" uuid NOT NULL REFERENCES users,
    "expiresAt" timestamptz NOT NULL
);
CREATE TABLE verifications (
    identifier text PRIMARY KEY,
    value text NOT NULL,
    "expiresAt" timestamptz NOT NULL
);
