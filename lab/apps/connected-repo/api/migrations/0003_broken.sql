-- Shipped by versions that begin with broken-migration alone: begins well, fails in the middle.
ALTER TABLE prompts ADD COLUMN author text;
UPDATE prompts SET author = nobody_made_this_column;
