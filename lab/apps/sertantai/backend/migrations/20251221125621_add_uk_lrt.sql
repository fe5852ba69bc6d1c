CREATE TABLE uk_lrt (
  id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
  family text,
  name citext NOT NULL UNIQUE,
  title_en text,
  year integer,
  number text,
  type_code text,
  tags text[],
  duty_type jsonb,
  live text,
  number_int integer GENERATED ALWAYS AS (CASE WHEN number ~ '^[0-9]{1,9}$' THEN number::integer END) STORED,
  created_at timestamp NOT NULL DEFAULT now(),
  updated_at timestamp NOT NULL DEFAULT now()
);
CREATE FUNCTION touch_uk_lrt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.updated_at = now();
  RETURN NEW;
END $$;
CREATE TRIGGER touch_uk_lrt BEFORE INSERT OR UPDATE ON uk_lrt FOR EACH ROW EXECUTE FUNCTION touch_uk_lrt();
