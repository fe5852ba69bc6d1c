import { z } from "zod";
import { imageSchema } from "../image.ts";
import { hyphenatedNameSchema, nameSchema } from "../schema.ts";
import { plainVariables } from "../variables.ts";

/** Images that a host builds from what is pushed to it: `berth:builds`. */

const insideTheRepository = z
  .string()
  .regex(
    /^(?!\/)(?!(.*\/)?\.\.(\/|$))[A-Za-z0-9._/-]+$/,
    "is not a path inside the repository; use a relative one without .., as in apps/backend/Dockerfile",
  );

const buildSchema = (name: string) =>
  z.strictObject({
    /** In `berth:hosts`: where the repository is and the image is built. */
    host: nameSchema,
    /** Key in `berth:images`. */
    image: z.string().min(1),
    /** What is pushed to; the image's own when left out. Another one moves the image there: `ops push` records it with the version. */
    repository: imageSchema.shape.repository.optional(),
    /** The setting whose version names the image: `mfa:app`. */
    setting: z
      .string()
      .regex(
        /^[a-z][a-z0-9-]*:[A-Za-z][A-Za-z0-9]*$/,
        "is not a setting with a version; use one as in mfa:app",
      ),
    /** The one branch that is built. */
    branch: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._/-]*$/, "is not the name of a branch; use one as in main")
      .default("main"),
    dockerfile: insideTheRepository.default("Dockerfile"),
    /** Folder that is sent to the build: `.` for all of a monorepo. */
    context: insideTheRepository.default("."),
    /** Build arguments (ARG), in clear in the image's history; secrets are refused. */
    arguments: plainVariables({
      path: `berth:builds.${name}.arguments`,
      // The build sets them itself, from the commit.
      set: { VERSION: undefined, REVISION: undefined, CREATED: undefined },
      secrets: {},
      credentials: "and a build argument stands in clear in this file and in the image",
    })
      .superRefine((all, context) => {
        for (const [argument, value] of Object.entries(all)) {
          if (!/^VITE_[A-Z0-9_]*_URL$/.test(argument) || /^(https?:\/\/\S+)?$/.test(value)) continue;
          const message =
            "is not a URL; use one as in https://api.example.org, or an empty one for the page's own";
          context.addIssue({ code: "custom", path: [argument], input: value, message });
        }
      })
      .prefault({}),
    /** What each step of a build may take. */
    memoryMebibytes: z.int().min(256, "is too small; use 256 or more").default(2048),
    cpus: z.number().min(0.1, "is too small; use 0.1 or more").max(64).default(1),
    deadlineMinutes: z.int().min(1).max(240).default(30),
  });

/** By the name of the repository, `/mnt/data/git/<name>.git`. */
export const buildsSchema = z.record(hyphenatedNameSchema, z.unknown()).transform((builds, context) =>
  Object.fromEntries(
    Object.entries(builds).flatMap(([name, build]) => {
      const parsed = buildSchema(name).safeParse(build, { reportInput: true });
      if (parsed.success) return [[name, parsed.data] as const];
      for (const issue of parsed.error.issues)
        context.addIssue({ ...issue, path: [name, ...issue.path] } as never);
      return [];
    }),
  ),
);

export type Build = z.output<ReturnType<typeof buildSchema>>;
