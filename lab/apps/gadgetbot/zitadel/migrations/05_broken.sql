-- Shipped by versions that begin with broken-migration alone: begins well, fails in the middle.
ALTER TABLE users ADD COLUMN device text;
UPDATE users SET device = nobody_made_this_column;
