-- Shipped by versions that begin with broken-migration alone: begins well, fails in the middle.
ALTER TABLE events ADD COLUMN organizer text;
UPDATE events SET organizer = nobody_made_this_column;
CREATE INDEX events_organizer ON events (organizer);
