-- Shipped by broken-migration-live alone: what a rehearsal on a copy cannot know.
ALTER TABLE events ADD COLUMN organizer text;
DO $$ BEGIN
    IF current_database() = 'togather' THEN
        RAISE EXCEPTION 'fails on the database itself, on purpose';
    END IF;
END $$;
