CREATE TABLE users (id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), email citext NOT NULL UNIQUE, inserted_at timestamp NOT NULL DEFAULT now());
