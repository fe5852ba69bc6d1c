/**
 * What a stand-in declares: one file for each image of a system, `lab/apps/<system>/<service>.ts`, whose `declaration` the lab's
 * registry answers for as `<system>/<service>`. One server (`lab/apps/server`) serves all of them; it reads the declaration as
 * JSON, so everything here is plain data. What data cannot say is code of the declaration's own, in the folder beside it.
 */
import type { LoadRequest } from "../load/client.ts";

/** An image of the lab's own under the name that a system gives it: `{ like: "postgres" }`. */
export interface SameImage {
  readonly like: string;
}

/** The stand-in of an app: an image that keeps the real one's contract with whoever runs it. */
export interface StandIn {
  /** For the provenance: "Togather's server". */
  readonly standsInFor: string;
  /** Repository of the real image, `ghcr.io/owner/app`: a version that a registry has under it is taken from there. */
  readonly published?: string;
  /** Absolute path. */
  readonly workingDirectory: string;
  /** `uid:gid`, never root. */
  readonly user: string;
  readonly entrypoint: readonly string[];
  readonly command?: readonly string[];
  /** By absolute path: what the image's commands find there. */
  readonly files: Readonly<Record<string, ImageFile>>;
  /** Commands in `/usr/local/bin`. */
  readonly tools?: readonly GoTool[];
  /** What it reads from its environment; the server refuses to start when one is missing or malformed, and names all of them. */
  readonly variables: Readonly<Record<string, Variable>>;
  readonly database?: DatabaseUse;
  /** Works jobs of a queue in the database, of the kinds that the own code has handlers for. */
  readonly jobs?: { readonly table: string };
  /** Left out by what serves nothing, such as a worker. */
  readonly http?: HttpService;
  /** Module in the folder beside the declaration with what data cannot say; see `lab/apps/server/special.ts`. */
  readonly special?: string;
  /** npm packages of this project that the own code imports. */
  readonly packages?: readonly string[];
  /** Whom the real app talks to beyond its system's own services. */
  readonly outside?: readonly { readonly host: string; readonly why: string }[];
  /** What the load generator sends, all of it well-formed; {@link LoadRequest.weight} says how often. */
  readonly load?: readonly LoadRequest[];
}

/** A command that starts the server, runs the migrations or a module of the folder beside the declaration; or a text. */
export type ImageFile =
  | { readonly runs: "server" | "migrations" | `${string}.ts` }
  | { readonly text: string; readonly executable?: boolean };

/** A command that `go install` makes, statically linked. */
export interface GoTool {
  readonly command: string;
  /** Import path of the command's package. */
  readonly package: string;
  readonly version: string;
  readonly tags?: readonly string[];
  /** Variable of the linker that holds the version, `main.Version`. */
  readonly versionVariable?: string;
  /** Least version of Go that builds it: "1.24". */
  readonly goVersion: string;
}

/** One variable. Without `default` and `optional` it is required. An empty one counts as missing. */
export interface Variable {
  /** What it is, and the command that makes one: "key that signs tokens; openssl rand -base64 32". */
  readonly is: string;
  readonly default?: string;
  readonly optional?: true;
  /** Never appears in a log. */
  readonly secret?: true;
  /** `<name>_FILE` may name a file that holds the value instead. */
  readonly file?: true;
  readonly leastCharacters?: number;
  /** Regular expression that the whole value fits, with words for what it asks for. */
  readonly pattern?: { readonly text: string; readonly says: string };
  /** A URL with one of these schemes: `["postgresql"]`. */
  readonly url?: readonly string[];
  /** A number within bounds. */
  readonly number?: readonly [least: number, most: number];
  readonly oneOf?: readonly string[];
}

export interface DatabaseUse {
  /** The variables that lead to it: one URL, or the parts. */
  readonly connection:
    | { readonly url: string }
    | Readonly<Record<"host" | "port" | "user" | "password" | "name", string>>;
  readonly migrations?: Migrations;
}

export interface Migrations {
  /** Absolute path in the image; the files come from `<service>/migrations` beside the declaration. */
  readonly folder: string;
  /** In the order in which they run; each name begins with its number. */
  readonly shipped: readonly ShippedMigration[];
  /** SQL that answers one row, `version` (highest number applied) and `dirty`; its table may not exist. */
  readonly state: string;
  /** How a file that `runs: "migrations"` applies `<name>.sql`; left out where a tool of the image does. */
  readonly runner?: {
    /** Makes the record if there is none. */
    readonly create: string;
    /** SQL that answers the applied names as `name`. */
    readonly applied: string;
    /** SQL that records `$1`, a name. */
    readonly record: string;
  };
}

export interface ShippedMigration {
  readonly name: string;
  /** First major version that ships it. Default 1. */
  readonly since?: number;
  /** Shipped by deliberately broken versions of this beginning alone, `broken-migration` or longer; the longest that fits. */
  readonly only?: string;
}

export interface HttpService {
  /** Default of the variable PORT. */
  readonly port: number;
  readonly health: {
    readonly path: string;
    /** The JSON, field by field. */
    readonly fields: HealthFields;
    /** What makes it unhealthy (503) or degraded. Default: what the declaration has. */
    readonly considers?: readonly ("database" | "migrations" | "jobs")[];
  };
  /** Routes that need no code, as `GET /path`. */
  readonly routes?: Readonly<Record<string, DeclaredRoute>>;
  readonly limits?: readonly ClientLimit[];
  /** What the log says when it serves. Default `serving`. */
  readonly startedMessage?: string;
}

/** A constant answer, or the rows of a statement as a JSON list; the statement may use `$1`, the request's body as jsonb. */
export type DeclaredRoute =
  | { readonly status?: number; readonly json: unknown }
  | { readonly status?: number; readonly html: string }
  | { readonly status?: number; readonly sql: string };

/** Requests of one client that the app itself answers with 429, as a token bucket of `perMinute`. */
export interface ClientLimit {
  /** As `GET /path`; they share a bucket. */
  readonly routes: readonly string[];
  /** A number, or the variable that holds it; 0 is no limit. */
  readonly perMinute: number | string;
  /**
   * The variable with the networks (CIDR, separated by commas) whose X-Forwarded-For and X-Real-IP are believed. Left out: private
   * IPv4 networks.
   */
  readonly trustedProxies?: string;
  readonly retryAfterSeconds: number;
  /** Left out: an empty body. */
  readonly json?: unknown;
}

/** Where a field of the health's JSON comes from; `as` translates the server's words into the app's. */
export type HealthField =
  | { readonly from: "version" | "uptime" | "time" }
  | { readonly from: "status"; readonly as?: Readonly<Record<"healthy" | "degraded" | "unhealthy", string>> }
  | { readonly from: "database"; readonly as?: Readonly<Record<"connected" | "disconnected", string>> }
  | {
      readonly from: "migrations";
      readonly as?: Readonly<Record<"up-to-date" | "pending" | "unknown", string>>;
    }
  | { readonly from: "jobs"; readonly as?: Readonly<Record<"operational" | "degraded", string>> };

/** Fields, constants and objects of them. */
export interface HealthFields {
  readonly [name: string]: HealthField | HealthFields | string | number | boolean;
}

/**
 * Checks what types cannot say.
 * @throws with everything that does not fit together.
 */
export function standIn(declaration: StandIn): StandIn {
  const { database, jobs, http, load = [], user, variables, files } = declaration;
  const problems: string[] = [];
  const migrations = database?.migrations;
  if (/^(0|root)(:|$)/.test(user)) problems.push("user is root; an app's image runs as another user");
  if (jobs !== undefined && database === undefined) problems.push("jobs need a database");
  const connection = Object.values(database?.connection ?? {});
  const limits = (http?.limits ?? []).flatMap((limit) => [limit.perMinute, limit.trustedProxies ?? 0]);
  for (const name of [...connection, ...limits.filter((each) => typeof each === "string")]) {
    if (!(name in variables)) problems.push(`${name} is used and not among the variables`);
  }
  for (const [path, file] of Object.entries(files)) {
    if (!path.startsWith("/")) problems.push(`files: "${path}" is not absolute`);
    if ("runs" in file && file.runs === "migrations" && migrations?.runner === undefined) {
      problems.push(`files: ${path} runs migrations, and database.migrations has no runner`);
    }
  }
  for (const { name } of migrations?.shipped ?? []) {
    if (!/^\d+_\w+$/.test(name)) problems.push(`migrations: "${name}" does not begin with its number`);
  }
  if (load.length > 0 && http === undefined) problems.push("load is sent to what serves: http is missing");
  const limited = (http?.limits ?? []).flatMap(({ routes }) => routes);
  for (const { method, path } of load) {
    if (limited.includes(`${method} ${path}`))
      problems.push(`load: ${method} ${path} is limited for each client`);
  }
  if (problems.length > 0) throw new Error(`stand-in of ${declaration.standsInFor}: ${problems.join("; ")}`);
  return declaration;
}
