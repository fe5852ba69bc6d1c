CREATE INDEX events_name_similar ON events USING gin (name gin_trgm_ops);
ALTER TABLE events ADD COLUMN embedding vector(8);
CREATE INDEX events_embedding ON events USING hnsw (embedding vector_cosine_ops);
