-- Only adds, with a default: the version before this one goes on writing rows while both run.
ALTER TABLE events ADD COLUMN source text NOT NULL DEFAULT 'local';
CREATE INDEX events_source ON events (source);
