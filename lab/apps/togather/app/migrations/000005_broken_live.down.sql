ALTER TABLE events DROP COLUMN organizer;
