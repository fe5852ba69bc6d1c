-- Shipped by versions that begin with broken-migration alone: begins well, fails in the middle.
ALTER TABLE programs ADD COLUMN coach text;
UPDATE programs SET coach = nobody_made_this_column;
