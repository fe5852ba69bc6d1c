/**
 * What a stand-in declares: one file for each image of a system, `lab/apps/<system>/<service>.ts`, whose `declaration` the lab's
 * registry serves as the image `<system>/<service>`. One server (`lab/apps/server`) serves all of them; it reads the declaration
 * as JSON, so everything here is plain data. What data cannot express is code in the folder beside the declaration.
 */
import type { LoadRequest } from "../load/client.ts";

/** One of the lab's images under a system's own name for it: `{ like: "postgres" }`. */
export interface SameImage {
  readonly like: string;
}

/** The stand-in of an app: an image with the same interface as the real one. */
export interface StandIn {
  /** For messages about the image's origin: "Togather's server". */
  readonly standsInFor: string;
  /** Repository of the real image, `ghcr.io/owner/app`: a version that exists there is pulled instead. */
  readonly published?: string;
  /** Absolute path. */
  readonly workingDirectory: string;
  /** `uid:gid`, never root. */
  readonly user: string;
  readonly entrypoint: readonly string[];
  readonly command?: readonly string[];
  /** `false`: the image has no shell, as one that is made `FROM scratch`. */
  readonly shell?: false;
  /** Files by absolute path, for the image's commands. */
  readonly files: Readonly<Record<string, ImageFile>>;
  /** Commands in `/usr/local/bin`. */
  readonly tools?: readonly GoTool[];
  /** Its environment variables; the server refuses to start when some are missing or invalid, with an error that lists all of them. */
  readonly variables: Readonly<Record<string, Variable>>;
  readonly database?: DatabaseUse;
  /** Processes jobs of a queue in the database, of the kinds for which the code beside the declaration has handlers. */
  readonly jobs?: { readonly table: string };
  /** Left out when it serves no requests, such as a worker. */
  readonly http?: HttpService;
  /** Module in the folder beside the declaration with what data cannot express; see `lab/apps/server/special.ts`. */
  readonly special?: string;
  /** npm packages of this project that the code beside the declaration imports. */
  readonly packages?: readonly string[];
  /** External services that the real app connects to. */
  readonly outside?: readonly { readonly host: string; readonly why: string }[];
  /** It answers at another domain than the system's, so its load is no part of the system's. */
  readonly ownDomain?: true;
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
  /** Minimum version of Go that builds it: "1.24". */
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
  /** Regular expression for the whole value, and its description for error messages. */
  readonly pattern?: { readonly text: string; readonly says: string };
  /** A URL with one of these schemes: `["postgresql"]`. */
  readonly url?: readonly string[];
  /** A number within limits. */
  readonly number?: readonly [least: number, most: number];
  readonly oneOf?: readonly string[];
}

export interface DatabaseUse {
  /** The variables with its address: one URL, or the parts. */
  readonly connection:
    | { readonly url: string }
    | Readonly<Record<"host" | "port" | "user" | "password" | "name", string>>;
  /**
   * What its driver makes of TLS, where that is not what the URL's `sslmode` says to node-postgres: it encrypts and verifies nothing, or
   * verifies by the file that a variable names.
   */
  readonly tls?: "unverified" | { readonly authorityFile: string };
  readonly migrations?: Migrations;
}

export interface Migrations {
  /** Absolute path in the image; the files come from `<service>/migrations` beside the declaration. */
  readonly folder: string;
  /** In the order in which they run; each name begins with its number. */
  readonly shipped: readonly ShippedMigration[];
  /** SQL that returns one row, `version` (highest number applied) and `dirty`; its table may not exist. */
  readonly state: string;
  /** How a file that `runs: "migrations"` applies `<name>.sql`; left out when a tool of the image does it. */
  readonly runner?: {
    /** Creates the table of applied migrations if it does not exist. */
    readonly create: string;
    /** SQL that returns the applied names as `name`. */
    readonly applied: string;
    /** SQL that records `$1`, a name. */
    readonly record: string;
    /** Two of them at once may apply the same migration; left out, the second waits for the first. */
    readonly unlocked?: true;
    /** It refuses to run when any variable of the app is missing, not only those of the database. */
    readonly checksAllVariables?: true;
  };
}

export interface ShippedMigration {
  readonly name: string;
  /** First major version that ships it. Default 1. */
  readonly since?: number;
  /** Only in deliberately broken versions that begin with this text, `broken-migration` or longer; the longest match applies. */
  readonly only?: string;
}

export interface HttpService {
  /** Default of the variable with the port. */
  readonly port: number;
  /** It speaks HTTP/2 in clear text too, on the same port. */
  readonly http2?: true;
  /** That variable's name. Default PORT. */
  readonly portVariable?: string;
  readonly health: {
    readonly path: string;
    /** The fields of the JSON response. */
    readonly fields: HealthFields;
    /** The checks that make it unhealthy (503) or degraded. Default: all that the declaration has. */
    readonly considers?: readonly ("database" | "migrations" | "jobs")[];
  };
  /** Routes that need no code, as `GET /path`; `GET *` answers every other path. */
  readonly routes?: Readonly<Record<string, DeclaredRoute>>;
  readonly limits?: readonly ClientLimit[];
  /** What pages of other origins may read. */
  readonly cors?: Cors;
  /** Where it speaks WebSocket, to pages of these origins alone: it answers each text with the same text. */
  readonly webSocket?: { readonly path: string; readonly origins: readonly string[] };
  /** From SIGTERM on it accepts nothing and answers 503; left out, it serves for DRAIN_SECONDS before it stops accepting. */
  readonly refusesAtOnce?: true;
  /** The log message when it starts to serve. Default `serving`. */
  readonly startedMessage?: string;
}

/** A constant answer, or the rows of a statement as a JSON list; the statement may use `$1`, the request's body as jsonb. */
export type DeclaredRoute =
  | { readonly status?: number; readonly json: unknown }
  | { readonly status?: number; readonly html: string }
  | { readonly status?: number; readonly sql: string };

/** Cross-origin requests: an allowed origin is named in the answer, another one is not, and a preflight is answered with 204 either way. */
export interface Cors {
  /** Beginning of the paths. */
  readonly under: string;
  /** Variable that lists the origins, separated by commas. */
  readonly origins: string;
  readonly methods: readonly string[];
  readonly headers: readonly string[];
  readonly exposed: readonly string[];
}

/** Requests of one client beyond which the app itself answers 429, as a token bucket of `perMinute`. */
export interface ClientLimit {
  /** As `GET /path`; they share a bucket. */
  readonly routes: readonly string[];
  /** A number, or the variable that holds it; 0 is no limit. */
  readonly perMinute: number | string;
  /**
   * The variable with the networks (CIDR, separated by commas) whose X-Forwarded-For and X-Real-IP are trusted. Left out: private
   * IPv4 networks.
   */
  readonly trustedProxies?: string;
  readonly retryAfterSeconds: number;
  /** Left out: an empty body. */
  readonly json?: unknown;
}

/** The source of a field of the health JSON; `as` maps the server's values to the app's. */
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
 * Checks what types cannot express.
 * @throws with all contradictions in the declaration.
 */
export function standIn(declaration: StandIn): StandIn {
  const { database, jobs, http, load = [], user, variables, files } = declaration;
  const problems: string[] = [];
  const migrations = database?.migrations;
  if (/^(0|root)(:|$)/.test(user)) problems.push("user is root; an app's image runs as another user");
  if (jobs !== undefined && database === undefined) problems.push("jobs need a database");
  const connection = Object.values(database?.connection ?? {});
  const limits = (http?.limits ?? []).flatMap((limit) => [limit.perMinute, limit.trustedProxies ?? 0]);
  const origins = http?.cors === undefined ? [] : [http.cors.origins];
  for (const name of [...connection, ...origins, ...limits.filter((each) => typeof each === "string")]) {
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
