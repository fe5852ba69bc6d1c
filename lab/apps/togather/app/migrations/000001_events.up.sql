CREATE TABLE events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL CHECK (name <> ''),
    description text NOT NULL DEFAULT '',
    starts_at timestamptz NOT NULL,
    location geography(Point, 4326),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX events_starts_at ON events (starts_at);
CREATE INDEX events_location ON events USING gist (location);
