import type { Pool } from "pg";
import { BadRequest } from "../../server/http.ts";
import type { Job } from "../../server/jobs.ts";

/** An event as the API shows it. */
export interface Event {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly startsAt: string;
  readonly location: { readonly latitude: number; readonly longitude: number } | null;
  /** True once the queue's worker has indexed the event. */
  readonly indexed: boolean;
}

export interface NewEvent {
  readonly name: string;
  readonly description: string;
  readonly startsAt: Date;
  readonly location: { readonly latitude: number; readonly longitude: number } | undefined;
}

const columns = `id, name, description, starts_at AS "startsAt", embedding IS NOT NULL AS indexed,
  CASE WHEN location IS NULL THEN NULL ELSE json_build_object(
    'latitude', st_y(location::geometry), 'longitude', st_x(location::geometry)) END AS location`;
// Every statement lists its columns, so that a version works with columns that a newer one has added.
const latest = { name: "latest", text: `SELECT ${columns} FROM events ORDER BY id DESC LIMIT $1` };
const similar = {
  name: "similar",
  text: `SELECT ${columns} FROM events WHERE name % $2 ORDER BY similarity(name, $2) DESC, id DESC LIMIT $1`,
};
const insert = {
  name: "insert",
  text: `WITH event AS (
      INSERT INTO events (name, description, starts_at, location)
      VALUES ($1, $2, $3, CASE WHEN $4::float8 IS NULL THEN NULL
        ELSE st_setsrid(st_makepoint($5::float8, $4::float8), 4326)::geography END)
      RETURNING *
    ), job AS (
      INSERT INTO river_job (kind, args) SELECT 'index_event', jsonb_build_object('event_id', id) FROM event
    )
    SELECT ${columns} FROM event`,
};
const index = { name: "index", text: "UPDATE events SET embedding = $2::vector WHERE id = $1" };

export async function listEvents(pool: Pool, limit: number, search: string | undefined): Promise<Event[]> {
  const query =
    search === undefined ? { ...latest, values: [limit] } : { ...similar, values: [limit, search] };
  return (await pool.query<Event>(query)).rows;
}

/** Stores an event and queues the job that indexes it, in one transaction. */
export async function addEvent(pool: Pool, event: NewEvent): Promise<Event> {
  const values = [
    event.name,
    event.description,
    event.startsAt,
    event.location?.latitude ?? null,
    event.location?.longitude ?? null,
  ];
  const { rows } = await pool.query<Event>({ ...insert, values });
  if (rows[0] === undefined) throw new Error("the database stored the event without returning it");
  return rows[0];
}

/** The queue's handler: gives an event the vector by which similar ones are found. */
export async function indexEvent(pool: Pool, job: Job): Promise<void> {
  const id = Number(job.args.event_id);
  const { rows } = await pool.query<{ name: string; description: string }>(
    "SELECT name, description FROM events WHERE id = $1",
    [id],
  );
  const event = rows[0];
  if (event === undefined) return;
  await pool.query({ ...index, values: [id, `[${embed(`${event.name} ${event.description}`).join(",")}]`] });
}

/** A unit vector of eight numbers from the words of a text: texts with common words have similar vectors. */
export function embed(text: string): number[] {
  const vector = new Array<number>(8).fill(0);
  for (const word of text.toLowerCase().split(/\W+/)) {
    let hash = 0;
    for (const letter of word) hash = (hash * 31 + (letter.codePointAt(0) ?? 0)) >>> 0;
    vector[hash % 8] = (vector[hash % 8] ?? 0) + 1;
  }
  const length = Math.hypot(...vector) || 1;
  return vector.map((part) => part / length);
}

/** Checks the body of `POST /api/v1/events`. @throws with every problem. */
export function parseEvent(body: unknown): NewEvent {
  const problems: string[] = [];
  const { name, description, startsAt, location } = (
    typeof body === "object" && body !== null ? body : {}
  ) as Record<string, unknown>;
  if (typeof name !== "string" || name.trim() === "" || name.length > 200) {
    problems.push("name: a text of 1 to 200 characters is needed");
  }
  if (description !== undefined && (typeof description !== "string" || description.length > 10_000)) {
    problems.push("description: a text of at most 10000 characters");
  }
  const start = new Date(typeof startsAt === "string" ? startsAt : Number.NaN);
  if (Number.isNaN(start.getTime())) problems.push("startsAt: a time such as 2026-05-01T18:00:00Z is needed");
  const place = parsePlace(location, problems);
  if (problems.length > 0) throw new BadRequest(problems.join("; "));
  return {
    name: String(name),
    description: typeof description === "string" ? description : "",
    startsAt: start,
    location: place,
  };
}

function parsePlace(value: unknown, problems: string[]): NewEvent["location"] {
  if (value === undefined || value === null) return undefined;
  const { latitude, longitude } = value as Record<string, unknown>;
  if (
    typeof latitude === "number" &&
    typeof longitude === "number" &&
    Math.abs(latitude) <= 90 &&
    Math.abs(longitude) <= 180
  ) {
    return { latitude, longitude };
  }
  problems.push("location: { latitude: -90 to 90, longitude: -180 to 180 }");
  return undefined;
}
