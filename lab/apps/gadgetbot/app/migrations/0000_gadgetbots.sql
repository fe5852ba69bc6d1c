CREATE TABLE gadgetbots (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL,
    type text NOT NULL,
    status text NOT NULL DEFAULT 'available'
);
