import { z } from "zod";

/** An image as services, jobs and host commands use it. */
export interface ResolvedImage {
  /** Key in `berth:images`. */
  readonly name: string;
  readonly version: string;
  /** `repository@digest`, or `repository:version` where no digest is needed. */
  readonly reference: string;
  /** Its processes may run as root. */
  readonly allowRoot: boolean;
}

/** Where the image of one service comes from: an entry of `berth:images`. */
export const imageSchema = z.strictObject({
  /** As Docker pulls it, without tag: `ghcr.io/owner/name`. */
  repository: z
    .string()
    .regex(
      /^[a-z0-9.-]+(:\d+)?(\/[a-z0-9._-]+)+$/,
      "is not an image repository; use host/name in lower case, without a tag",
    ),
  /** Version to digest. Production takes an image by digest only. */
  digests: z
    .record(
      z.string(),
      z.string().regex(/^sha256:[0-9a-f]{64}$/, "is not a digest; use sha256: and 64 hex digits"),
    )
    .default({}),
  /** Acknowledges that the image's processes run as root; an app's image that does is refused without it. */
  allowRoot: z.boolean().default(false),
});
