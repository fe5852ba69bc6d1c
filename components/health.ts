/**
 * How a task says that it is healthy, declared once: Docker's own check and the probe of a release follow from it. Docker's check
 * runs inside the container, so its tool must be in the image.
 */
export type Health =
  /**
   * Over HTTP. `wget`, `curl` and `node` (18 or newer) are what Docker's check asks with; `none`: the image has none of them, Docker
   * checks nothing and the probe alone asks. A task without Docker's check counts as healthy as soon as it runs when Swarm starts it
   * again later.
   */
  | { readonly tool: "wget" | "curl" | "node" | "none"; readonly http: HttpHealth }
  /** PostgreSQL on its own port, as this user. */
  | { readonly tool: "pg_isready"; readonly user: string; readonly http?: undefined }
  /** Redis on its own port, with the password in its configuration file, which stands in no argument list. */
  | { readonly tool: "redis-cli"; readonly configuration: string; readonly http?: undefined }
  /** Any command of the image that ends with 0 when the task is healthy: for a worker that listens nowhere. */
  | { readonly tool: "command"; readonly command: readonly [string, ...string[]]; readonly http?: undefined };

export interface HttpHealth {
  /** On which the task listens. */
  readonly port: number;
  readonly path: `/${string}`;
  /** Status of a healthy task, or several; 200 when left out. */
  readonly status?: number | readonly number[];
  /**
   * Fields of the answer's JSON that must have exactly these values, by path: `status`, `checks.database.status`,
   * `checks.0.healthy` in a list. Left out, the answer need not be JSON. The probe alone reads them.
   */
  readonly fields?: Readonly<Record<string, string | number | boolean>>;
}

/** Every status that a healthy task may answer. */
export function healthyStatuses({ status = 200 }: HttpHealth): readonly number[] {
  return typeof status === "number" ? [status] : status;
}

/**
 * The test of Docker's check, as `healthcheck.test` of Docker's API takes it.
 * @throws when the tool cannot tell the statuses of a healthy task from others
 */
export function dockerCheck(health: Health): string[] {
  switch (health.tool) {
    case "wget":
      // It asks by HEAD, and ends with another code than 0 for anything but 2xx.
      return ["CMD", "wget", "--quiet", "--tries=1", "--spider", successUrl(health.tool, health.http)];
    case "curl": {
      const url = successUrl(health.tool, health.http);
      return ["CMD", "curl", "--fail", "--silent", "--show-error", "--output", "/dev/null", url];
    }
    case "node":
      return ["CMD", "node", "--eval", nodeCheck(health.http)];
    case "pg_isready":
      return ["CMD", "pg_isready", "--quiet", "--host", "127.0.0.1", "--username", health.user];
    case "redis-cli":
      return ["CMD-SHELL", redisPing(health.configuration)];
    case "command":
      return ["CMD", ...health.command];
    case "none":
      // Switches off the check that the image may bring along.
      return ["NONE"];
  }
}

function url({ port, path }: HttpHealth): string {
  return `http://127.0.0.1:${port}${path}`;
}

/** The URL, for a tool that takes 2xx for success. */
function successUrl(tool: "wget" | "curl", http: HttpHealth): string {
  const others = healthyStatuses(http).filter((status) => status < 200 || status > 299);
  if (others.length === 0) return url(http);
  throw new Error(
    `health of ${http.path}: ${tool} takes 200 to 299 for healthy, not ${others.join(", ")}; use the tool "node", or "none" to leave it to the probe`,
  );
}

function nodeCheck(http: HttpHealth): string {
  const healthy = JSON.stringify(healthyStatuses(http));
  return `fetch(${JSON.stringify(url(http))}, { redirect: "manual" }).then(({ status }) => process.exit(${healthy}.includes(status) ? 0 : 1), () => process.exit(1))`;
}

/** Ends with 0 when Redis answers: while it loads its data it does not. redis-cli takes a password from REDISCLI_AUTH (its manual). */
function redisPing(configuration: string): string {
  return `export REDISCLI_AUTH="$(sed -n 's/^requirepass //p' ${configuration})" && test "$(redis-cli -h 127.0.0.1 ping)" = PONG`;
}
