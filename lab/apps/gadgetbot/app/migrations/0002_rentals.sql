-- Only adds: the version before this one goes on while both run.
CREATE TABLE rentals (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    gadgetbot_id uuid NOT NULL REFERENCES gadgetbots,
    since timestamptz NOT NULL DEFAULT now()
);
