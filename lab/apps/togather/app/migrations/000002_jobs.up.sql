CREATE TYPE river_job_state AS ENUM (
    'available', 'cancelled', 'completed', 'discarded', 'pending', 'retryable', 'running', 'scheduled'
);
CREATE TABLE river_job (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    state river_job_state NOT NULL DEFAULT 'available',
    kind text NOT NULL,
    args jsonb NOT NULL DEFAULT '{}',
    queue text NOT NULL DEFAULT 'default',
    priority smallint NOT NULL DEFAULT 1 CHECK (priority BETWEEN 1 AND 4),
    attempt smallint NOT NULL DEFAULT 0,
    max_attempts smallint NOT NULL DEFAULT 25,
    attempted_by text[] NOT NULL DEFAULT '{}',
    errors jsonb[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    scheduled_at timestamptz NOT NULL DEFAULT now(),
    attempted_at timestamptz,
    finalized_at timestamptz,
    CHECK ((finalized_at IS NOT NULL) = (state IN ('cancelled', 'completed', 'discarded')))
);
CREATE INDEX river_job_waiting ON river_job (queue, priority, scheduled_at, id)
    WHERE state IN ('available', 'retryable', 'scheduled');
CREATE INDEX river_job_running ON river_job (attempted_at) WHERE state = 'running';
