CREATE TABLE agencies (id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), code citext NOT NULL UNIQUE, name text NOT NULL, enabled boolean NOT NULL DEFAULT true);
CREATE TABLE offenders (id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), name text NOT NULL);
INSERT INTO agencies (code, name) VALUES ('hse', 'Health and Safety Executive');
