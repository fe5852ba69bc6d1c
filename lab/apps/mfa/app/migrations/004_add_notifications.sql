-- Only adds: the version before this one goes on while both run.
CREATE TABLE notifications (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    program_id bigint REFERENCES programs (id),
    sent_at timestamptz
);
