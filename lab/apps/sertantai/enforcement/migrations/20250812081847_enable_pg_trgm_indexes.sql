CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE INDEX offenders_name_gin_trgm ON offenders USING gin (name gin_trgm_ops);
