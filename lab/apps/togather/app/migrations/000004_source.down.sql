DROP INDEX events_source;
ALTER TABLE events DROP COLUMN source;
