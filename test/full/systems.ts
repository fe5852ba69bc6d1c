/** The systems that the scenarios of `test/full/scenarios` are run for, and what these need to know of each. */
export interface TestedSystem {
  readonly name: string;
  /** Its database, where that is called another name. */
  readonly database?: string;
  /** Whose slot the scenarios watch, and which the load asks. */
  readonly service: string;
  /** Services that are released with it: they follow its probe, and take over when it has switched. */
  readonly companions: readonly string[];
  /** Its host in `berth:hosts`, and the port of SSH there. */
  readonly host: string;
  readonly sshPort: number;
  /** Options of each `up` and `preview`, `--set` and others. */
  readonly options: readonly string[];
  /** What makes the host's edge the one or the other kind. */
  readonly edges: Readonly<Record<"nginx" | "traefik", readonly string[]>>;
  /** The kind that its stack file has. */
  readonly edge: "nginx" | "traefik";
  /** Requests of its load that write: an edge must not send them twice. */
  readonly writes: readonly string[];
  /** One of them whose every success is a row of its database, and the query that counts them. */
  readonly counted?: { readonly request: string; readonly query: string };
  /** Its Redis service. */
  readonly redis?: string;
  /** Secrets that must be among the canaries. */
  readonly canaries: readonly string[];
  /** The secret that is rotated, and the file that has it in the container of `service`. */
  readonly rotated: { readonly key: string; readonly file: string };
}

/** `--set` for each setting. */
export const set = (...settings: readonly string[]): string[] => settings.flatMap((each) => ["--set", each]);

/** The port of the tunnel to the system's database, its own so that another lab may deploy meanwhile. */
export const tunnelPort = process.env.BERTH_TEST_TUNNEL_PORT ?? "15440";
export const tunnelSetting = `togather:postgres.tunnelPort=${tunnelPort}`;

/** The versions are Docker Hub's tags, of what the lab has. */
const edge = (host: string, kind: "nginx" | "traefik") =>
  set(
    `berth:hosts.${host}.edge.kind=${kind}`,
    `berth:hosts.${host}.edge.version=${kind === "nginx" ? "1.28.3" : "3.6.12"}`,
  );

export const togatherSystem: TestedSystem = {
  name: "togather",
  service: "app",
  companions: [],
  host: "main",
  sshPort: 22,
  options: set(tunnelSetting),
  edges: { nginx: [], traefik: edge("main", "traefik") },
  edge: "nginx",
  writes: ["POST /api/v1/events"],
  counted: { request: "POST /api/v1/events", query: "SELECT count(*) FROM events" },
  canaries: ["togather:jwtSecret", "togather:adminApiKey"],
  rotated: { key: "togather:jwtSecret", file: "JWT_SECRET" },
};

export const mfaSystem: TestedSystem = {
  name: "mfa",
  service: "app",
  companions: ["worker"],
  host: "code",
  sshPort: 666,
  options: [
    // Its certificate comes from Pebble.
    "--acme",
    ...set(
      `mfa:postgres.tunnelPort=${tunnelPort}`,
      // The load is of two addresses at just its limit of 100 requests a second: a moment's delay would refuse some, and ban the address.
      "mfa:limits={requestsPerSecond: 1000, burst: 2000}",
    ),
  ],
  edges: { nginx: edge("code", "nginx"), traefik: [] },
  edge: "traefik",
  writes: ["POST /api/sync", "POST /api/programs"],
  counted: { request: "POST /api/programs", query: "SELECT count(*) FROM programs" },
  redis: "redis",
  canaries: ["mfa:jwtSecret", "mfa:openaiApiKey", "mfa:airtableAccessToken", "mfa:smtpPassword"],
  rotated: { key: "mfa:jwtSecret", file: "JWT_SECRET" },
};

/** Better Auth's table of sign-ins that have begun. */
const signInsBegun = {
  request: "POST /api/auth/sign-in/social",
  query: "SELECT count(*) FROM verifications",
};

export const connectedRepoSystem: TestedSystem = {
  name: "connected-repo",
  database: "connected_repo",
  service: "api",
  companions: [],
  host: "main",
  sshPort: 22,
  options: [
    "--acme",
    ...set(
      `connected-repo:postgres.tunnelPort=${tunnelPort}`,
      // The load is of two addresses, which its limit of 200 requests a minute would refuse.
      "connected-repo:limits={requestsPerMinute: 100000, burst: 10000}",
      "connected-repo:api.replicas=1",
      // Three replicas of 1 GiB, and three more during a release, do not fit on its server.
      "connected-repo:api.memoryMebibytes=512",
    ),
  ],
  edges: { nginx: [], traefik: edge("main", "traefik") },
  edge: "nginx",
  writes: ["POST /api/auth/sign-in/social"],
  counted: signInsBegun,
  canaries: ["connected-repo:sessionSecret", "connected-repo:googleClientSecret"],
  rotated: { key: "connected-repo:sessionSecret", file: "SESSION_SECRET" },
};

export const sertantaiSystem: TestedSystem = {
  name: "sertantai",
  database: "sertantai_legal",
  service: "backend",
  companions: [],
  host: "legal",
  sshPort: 22,
  options: set(`sertantai:postgres.tunnelPort=${tunnelPort}`),
  edges: { nginx: [], traefik: edge("legal", "traefik") },
  edge: "nginx",
  writes: ["POST /api/uk-lrt/batch-exists"],
  redis: "redis",
  canaries: [
    ...["sertantai:backendSecretKeyBase", "sertantai:electricSecret", "sertantai:authSecretKeyBase"],
    "sertantai:enforcementTokenSigningSecret",
  ],
  rotated: { key: "sertantai:backendSecretKeyBase", file: "SECRET_KEY_BASE" },
};

/** Zitadel speaks HTTP/2 to the edge, which nginx does not: it has one kind. */
export const gadgetbotSystem: TestedSystem = {
  name: "gadgetbot",
  service: "app",
  companions: [],
  host: "gadget",
  sshPort: 22,
  options: set(
    `gadgetbot:postgres.tunnelPort=${tunnelPort}`,
    `gadgetbot:zitadeldb.tunnelPort=${Number(tunnelPort) + 1}`,
  ),
  edges: { nginx: [], traefik: [] },
  edge: "traefik",
  writes: ["POST /api/auth/sign-in/social"],
  counted: signInsBegun,
  canaries: ["gadgetbot:betterAuthSecret", "gadgetbot:zitadelMasterkey", "gadgetbot:zitadelAdminPassword"],
  rotated: { key: "gadgetbot:betterAuthSecret", file: "BETTER_AUTH_SECRET" },
};
