CREATE TABLE organizations (id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), name text NOT NULL);
ALTER TABLE users ADD COLUMN organization_id uuid REFERENCES organizations (id);
