-- What else the management API keeps, as its JSON has it: without what has the first value of its kind.
ALTER TABLE projects ADD COLUMN settings jsonb NOT NULL DEFAULT '{}';
ALTER TABLE apps ADD COLUMN settings jsonb NOT NULL DEFAULT '{}';
ALTER TABLE apps ADD COLUMN kind text NOT NULL DEFAULT 'oidc';
UPDATE apps SET settings = '{"authMethodType": "OIDC_AUTH_METHOD_TYPE_NONE"}'
WHERE client_secret_hash IS NULL;
CREATE TABLE roles (
    project_id text NOT NULL REFERENCES projects,
    key text NOT NULL,
    settings jsonb NOT NULL,
    PRIMARY KEY (project_id, key)
);
