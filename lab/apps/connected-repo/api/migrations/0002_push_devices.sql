-- Only adds: the version before this one goes on while both run.
CREATE TABLE push_devices (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    token text NOT NULL UNIQUE
);
