ALTER TABLE offenders ADD COLUMN author text;
UPDATE offenders SET author = nobody_made_this_column;
