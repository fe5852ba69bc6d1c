-- Shipped by versions that begin with broken-migration alone: begins well, fails in the middle.
ALTER TABLE gadgetbots ADD COLUMN owner text;
UPDATE gadgetbots SET owner = nobody_made_this_column;
