CREATE TABLE notices (id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), offender_id uuid REFERENCES offenders (id), body text);
