import { z } from "zod";
import type { Part } from "../declaration.ts";
import type { ResolvedImage } from "../image.ts";
import { jobLimits } from "./job.ts";
import { onlyForVersion } from "./settings.ts";

/** A system's migrations as data: what a stack file or the configuration says of them. */

/** Where a step finds an empty folder, which any user may write to, for the files that it `writes`. */
export const writtenFolder = "/berth/written";

const words = z.array(z.string().min(1)).min(1, "is empty; name the program and its arguments");
const image = z
  .strictObject({
    /** Key in `berth:images`. */
    name: z.string().min(1),
    version: z.string().min(1),
  })
  .optional();
const setByBerth = /^(PG[A-Z]+|DATABASE_URL)$/;

/**
 * One step of a system's migrations: a command in the release's image, or in an image of its own. Each is run as a job that
 * knows the database by libpq's variables (PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE, PGSSLMODE, PGSSLROOTCERT) and by
 * DATABASE_URL, so its image needs `/bin/sh`. In the rehearsal these name the copy; a step must find the database by them, or by
 * `@DATABASE@`, which is the database's name in `command`, `environment`, `upToDate` and `version.command`.
 */
const step = z.discriminatedUnion("kind", [
  /** golang-migrate, once a system: it knows versions in order and the way down. Nothing newer in the image, nothing is run. */
  z.strictObject({
    kind: z.literal("golang-migrate"),
    /** Folder of its files (`000001_name.up.sql`) in the image. */
    folder: z.string().startsWith("/", "is not an absolute path; use one as in /migrations"),
    command: words.default(["migrate"]),
    image,
  }),
  /** Any other program that applies what is missing and does nothing when nothing is. */
  z.strictObject({
    kind: z.literal("command"),
    /** For messages and the probe. */
    name: z.string().regex(/^[a-z][a-z0-9-]{0,30}$/, "is not a name; use lower-case letters, digits and -"),
    command: words,
    image,
    environment: z
      .record(
        z.string().refine((name) => !setByBerth.test(name), "is set by Berth; leave it out"),
        z.string(),
      )
      .default({}),
    /** It reads the service's plain variables too, as a program does that checks all of its environment before anything else. */
    serviceVariables: z.boolean().default(false),
    /** Secrets of the service that it needs, by the names of their variables. */
    secrets: z.array(z.string().min(1)).default([]),
    /** Without one in its image it takes its secrets as files in /run/secrets, and the database's name by `@DATABASE@` alone. */
    shell: z.boolean().default(true),
    /** Files that it writes to {@link writtenFolder}, once or again, for another service: see `writtenSecret`. */
    writes: z
      .array(
        z
          .string()
          .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, "is not the name of a file; use one as in login.token"),
      )
      .default([]),
    /** A command that ends with 0 when nothing is to be applied; then the step is left out. Without it, it runs with every release. */
    upToDate: words.optional(),
    /** How its version is read: by a query, whose first column of the first row it is, or from the last line that a command prints. */
    version: z
      .union(
        [z.strictObject({ query: z.string().min(1) }), z.strictObject({ command: words })],
        "is invalid; use { query: <SQL> } or { command: [<program>, <argument>…] }",
      )
      .optional(),
  }),
]);

export type MigrationStepSettings = z.infer<typeof step>;
type WithImage<T> = T extends unknown ? Omit<T, "image"> & { readonly image?: ResolvedImage } : never;
/** {@link MigrationStepSettings} with their images; one without runs in the release's. */
export type MigrationStep = WithImage<MigrationStepSettings>;

const migrationSchema = (steps: readonly z.input<typeof step>[]) =>
  z.strictObject({
    steps: z
      .array(step)
      .refine(
        (all) => all.filter(({ kind }) => kind === "golang-migrate").length <= 1,
        "has golang-migrate twice; its record in the database is one, so use one step of it",
      )
      .prefault([...steps]),
    /** What one run of a step may take. */
    deadlineSeconds: z
      .int()
      .min(10, "is too short; use 10 to 86400")
      .max(86_400, "is too long; use 10 to 86400")
      .default(600),
    /**
     * What a statement of a step waits for a lock at most: while it does, every later query of that table waits behind it. Ten
     * seconds is what strong_migrations advises (its README, "Lock Timeouts").
     */
    lockTimeoutSeconds: z
      .int()
      .min(1, "is too short; use 1 to 600")
      .max(600, "is too long; use 1 to 600")
      .default(10),
    ...jobLimits,
    /** The one version whose snapshot and migrations are skipped, its schema older or newer than the database's. */
    skipFor: z.string().min(1).optional(),
    /** The one version whose migrations are run without their rehearsal, where a copy takes too long or does not fit. */
    skipRehearsalFor: z.string().min(1).optional(),
  });

/** As they stand in Pulumi.<stack>.yaml, and under which key: `togather:migrations`. */
export type MigrationSettings = z.output<ReturnType<typeof migrationSchema>> & { readonly key: string };

/**
 * The migrations of a service's releases as settings: the steps in order, and what holds for all of them. Images of their own are
 * services of the system, which take no memory between releases.
 * @param of the service whose releases run them
 */
export function migrationSettings(
  of: string,
  steps: readonly z.input<typeof step>[],
): Part<z.ZodType<MigrationSettings>> {
  return {
    schema: (key) =>
      migrationSchema(steps)
        .prefault({})
        .transform((own) => ({ ...own, key })),
    problems(own, key, all) {
      const { version } = all[of] as { readonly version: string };
      const { skipFor, skipRehearsalFor } = own;
      return [
        ...onlyForVersion(key, ["skipFor"], skipFor, version, "skips the migrations of"),
        ...onlyForVersion(key, ["skipRehearsalFor"], skipRehearsalFor, version, "skips the rehearsal of"),
      ];
    },
    services: (_name, own) =>
      own.steps.flatMap(({ image }, number) =>
        image === undefined
          ? []
          : [
              {
                name: serviceOf(own, number),
                image: image.name,
                version: image.version,
                memoryMebibytes: 0,
              },
            ],
      ),
    jobs: ({ memoryMebibytes }) => ({ of, memoryMebibytes }),
  };
}

function serviceOf({ key }: MigrationSettings, number: number): string {
  return `${key.slice(key.indexOf(":") + 1)}.steps.${number}.image`;
}

/** The steps with their images resolved, by the `imageOf` of a service's context. */
export function migrationSteps(
  settings: MigrationSettings,
  resolve: (service: string) => ResolvedImage,
): MigrationStep[] {
  return settings.steps.map(({ image, ...rest }, number) =>
    image === undefined ? rest : { ...rest, image: resolve(serviceOf(settings, number)) },
  );
}
