CREATE TABLE method_usage (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    program_id bigint NOT NULL REFERENCES programs (id),
    used_at timestamptz NOT NULL DEFAULT now()
);

-- What the worker's jobs have done, one row for each.
CREATE TABLE sync_effects (
    job text PRIMARY KEY,
    deliveries int NOT NULL DEFAULT 1,
    version text NOT NULL,
    done_at timestamptz NOT NULL DEFAULT now()
);
