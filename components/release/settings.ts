import { z } from "zod";
import { acknowledgementProblems } from "../data/client-connection.ts";
import { type ClientTls, verifyFull, weakTlsModes } from "../data/client-tls.ts";
import {
  type ConnectionNames,
  isSecretPart,
  type ServicePart,
  type SettingsKey,
  type SettingsProblem,
} from "../declaration.ts";
import { cpusSchema, memorySchema } from "../schema.ts";
import { plainVariables } from "../variables.ts";
import { type HealthCheck, healthCheckSettings, restartTime } from "./slot.ts";

/** Ready-made settings of services that are released, slot after slot. */

/** What a stack file declares of such a service. */
interface Declared {
  /** Key of its image in `berth:images`. */
  readonly image: string;
  /** Memory limit of one task by default. */
  readonly memoryMebibytes: number;
  /** Processors of one task by default; all of them when left out. */
  readonly cpus?: number;
  /** Docker's own check, where it is another one than every 2 s. */
  readonly healthCheck?: Partial<HealthCheck>;
  /** Tasks by default; 1 when left out. */
  readonly replicas?: number;
  /** Plain variables that follow settings: see {@link ServicePart.variables}. */
  readonly variables?: Readonly<Record<string, string>>;
  /** Variables that are secrets of the system, by their key there. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** Variables that say how its database is reached. */
  readonly connection?: ConnectionNames;
  /** What its image's driver makes sure of there: the server's name and authority, told as libpq is, when left out. */
  readonly databaseTls?: ClientTls;
  /** Variables that its image does not read although somebody may think so: name to what is wrong and what to do instead. */
  readonly refused?: Readonly<Record<string, string>>;
  /** Names of secrets that `build` gives it beside; nobody can set them as plain variables. */
  readonly made?: readonly string[];
}

const keepMinutes = "use 0 (the old slot goes at once) to 1440";

function releaseShape(key: SettingsKey, declared: Omit<Declared, "image">) {
  const [system = ""] = key.split(":");
  const { variables = {}, secrets = {}, connection = {}, made = [] } = declared;
  const parts = Object.entries(connection);
  const entries = (names: readonly string[]) => names.map((name) => [name, undefined] as const);
  return {
    replicas: z
      .int()
      .min(1)
      .max(10)
      .default(declared.replicas ?? 1),
    memoryMebibytes: memorySchema.default(declared.memoryMebibytes),
    /** Processors of one task. */
    cpus: declared.cpus === undefined ? cpusSchema.optional() : cpusSchema.default(declared.cpus),
    healthCheck: healthCheckSettings(declared.healthCheck),
    /** More variables, as CORS_ALLOWED_ORIGINS. */
    environment: plainVariables({
      path: `${key}.environment`,
      refused: declared.refused ?? {},
      set: Object.fromEntries([
        ...Object.entries(variables).map(([name, setting]) => [
          name,
          setting.includes(":") ? setting : `${key}.${setting}`,
        ]),
        ...entries(parts.filter(([, part]) => !isSecretPart(part)).map(([name]) => name)),
      ]),
      secrets: Object.fromEntries([
        ...Object.entries(secrets).map(([name, secret]) => [name, `${system}:${secret}`] as const),
        ...entries(parts.filter(([, part]) => isSecretPart(part)).map(([name]) => name)),
        ...entries([...(parts.length > 0 ? ["DATABASE_AUTHORITY"] : []), ...made]),
      ]),
    }).default({}),
    /** Acknowledges, by its name, that its image checks the database's server less than in full. */
    databaseTls: z.enum(weakTlsModes).optional(),
    /** How long the slot that served before stays after a release, without tasks, so that going back is a start and a switch. */
    keepPreviousMinutes: z
      .int()
      .min(0, `is too small; ${keepMinutes}`)
      .max(1440, `is too long; ${keepMinutes}`)
      .default(0),
    /** Another time is a new slot of the same version; see `ops restart`. */
    restartedAt: restartTime.optional(),
    /** The one version that may be released although somebody went back from it. */
    releaseAgain: z.string().min(1).optional(),
  };
}

const version = z.string().min(1);

/** Settings of what any release reads; the version is its image's. */
export type ReleaseSettings = z.output<z.ZodObject<ReturnType<typeof releaseShape>>>;

/** After the switch, the image's integration tests; they write, so production refuses them. */
export const integrationTestSettings = { integrationTests: z.boolean().default(false) };

/**
 * A service with routes: `version`, `replicas`, `memoryMebibytes`, `environment`, `keepPreviousMinutes`, `restartedAt`,
 * `releaseAgain`, `port`, `healthFields`, and what `more` adds.
 */
export function appSettings<More extends z.ZodRawShape>(
  declared: Declared & {
    /** On which it listens in its container, by default. */
    readonly port: number;
    /** Fields of its health answer, by path, and the values that a new slot must show there, by default. */
    readonly healthFields?: Readonly<Record<string, string>>;
  },
  more: More,
) {
  const schema = (key: SettingsKey) =>
    z.strictObject({
      version,
      ...releaseShape(key, declared),
      port: z.int().min(1024).max(65535).default(declared.port),
      healthFields: z.record(z.string().min(1), z.string()).default({ ...declared.healthFields }),
      ...more,
    });
  return releasePart(declared, schema);
}

/** A service without routes: as {@link appSettings}, without `port` and `healthFields`. */
export function workerSettings<More extends z.ZodRawShape>(declared: Declared, more: More) {
  return releasePart(declared, (key) => z.strictObject({ version, ...releaseShape(key, declared), ...more }));
}

/** A service without routes that is released with another one, whose image and version it has. */
export function companionSettings<More extends z.ZodRawShape>(
  of: string,
  declared: Omit<Declared, "image">,
  more: More,
) {
  const schema = (key: SettingsKey) =>
    z.strictObject({ ...releaseShape(key, declared), ...more }).prefault({} as never);
  return releasePart({ ...declared, of }, schema);
}

export type WorkerSettings = ReleaseSettings;

export type AppSettings = ReleaseSettings & {
  readonly port: number;
  readonly healthFields: Readonly<Record<string, string>>;
};

function releasePart<Schema extends z.ZodType>(
  declared: Omit<Declared, "image"> & ({ readonly image: string } | { readonly of: string }),
  schema: (key: SettingsKey) => Schema,
): ServicePart<Schema> {
  const { variables = {}, secrets = {}, connection = {}, databaseTls = verifyFull } = declared;
  const versionIn = (settings: unknown) => (settings as { readonly version: string }).version;
  return {
    schema,
    variables,
    secrets,
    connection,
    databaseTls,
    services(name, settings, other) {
      const own = settings as ReleaseSettings;
      const { replicas, cpus } = own;
      const limits = {
        memoryMebibytes: replicas * own.memoryMebibytes,
        ...{ replicas, ...(cpus === undefined ? {} : { cpus }) },
      };
      if ("of" in declared) {
        const { image, version } = other(declared.of);
        return [{ name, image, version, releasedWith: declared.of, ...limits }];
      }
      const integrationTests = "integrationTests" in own && own.integrationTests === true;
      return [{ name, image: declared.image, version: versionIn(own), ...limits, integrationTests }];
    },
    problems(settings, key, all) {
      const own = settings as ReleaseSettings;
      const version = versionIn("of" in declared ? all[declared.of] : settings);
      return [
        ...onlyForVersion(key, ["releaseAgain"], own.releaseAgain, version, "acknowledges"),
        ...acknowledgementProblems(key, databaseTls, own.databaseTls),
      ];
    },
  };
}

/** An acknowledgement that outlives its version would silently do nothing, or be forgotten until it fits again. */
export function onlyForVersion(
  key: string,
  path: readonly string[],
  input: string | undefined,
  version: string,
  effect: string,
): SettingsProblem[] {
  if (input === undefined || input === version) return [];
  const message = `is not the version that is deployed, ${version}; it ${effect} one version only. Remove it: npx pulumi config rm --path ${[key, ...path].join(".")}`;
  return [{ path, input, message }];
}
