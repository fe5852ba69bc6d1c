DROP INDEX events_embedding;
ALTER TABLE events DROP COLUMN embedding;
DROP INDEX events_name_similar;
