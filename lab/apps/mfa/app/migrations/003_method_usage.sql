CREATE TABLE method_usage (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    program_id bigint NOT NULL REFERENCES programs (id),
    used_at timestamptz NOT NULL DEFAULT now()
);
