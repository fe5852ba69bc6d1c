CREATE TABLE prompts (
    id varchar(26) PRIMARY KEY,
    text varchar(500) NOT NULL,
    category varchar(100),
    "createdAt" timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE sessions (
    id text PRIMARY KEY,
    token text NOT NULL UNIQUE,
    "expiresAt" timestamptz NOT NULL
);
