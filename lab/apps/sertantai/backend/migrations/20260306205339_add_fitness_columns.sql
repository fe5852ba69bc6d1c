ALTER TABLE uk_lrt ADD COLUMN fitness jsonb;
