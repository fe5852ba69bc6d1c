ALTER TABLE uk_lrt ADD COLUMN author text;
UPDATE uk_lrt SET author = nobody_made_this_column;
