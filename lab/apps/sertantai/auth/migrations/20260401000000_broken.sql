ALTER TABLE users ADD COLUMN author text;
UPDATE users SET author = nobody_made_this_column;
