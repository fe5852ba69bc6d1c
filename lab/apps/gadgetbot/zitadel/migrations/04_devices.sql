-- Only adds: the version before this one goes on while both run.
CREATE TABLE devices (
    id text PRIMARY KEY,
    user_id text NOT NULL REFERENCES users
);
