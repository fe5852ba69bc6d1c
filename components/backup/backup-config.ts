import { z } from "zod";
import {
  certificateSchema,
  hyphenatedNameSchema,
  isHostUrl,
  textWithoutLogin,
  use,
  wholeNumber,
} from "../schema.ts";

/** Backups that leave the host, as `berth:backups` declares them: what needs no resource. */

const notATime = 'is not a time of day; use hours and minutes in UTC, as in "02:00", with the quotes';
// Without quotes it may be a number: YAML 1.1 reads 02:00 with the base of 60.
const time = z.string({ error: notATime }).regex(/^([01]\d|2[0-3]):[0-5]\d$/, notATime);

export const drillDays = [
  "daily",
  "monday",
  "tuesday",
  "wednesday",
  "thursday",
  "friday",
  "saturday",
  "sunday",
] as const;

/** The newest backup of each of so many days and weeks stays. */
const keep = z.strictObject(
  { daily: wholeNumber(1, 3650).default(7), weekly: wholeNumber(1, 520).default(4) },
  use("{ daily: 7, weekly: 4 }"),
);

const storeExample =
  "{ kind: s3, endpoint: …, bucket: …, region: … }, of which docs/runbooks/backups.md has an example";
const newestExample = "SELECT max(created_at) FROM events";
const endpointExample = "https://fsn1.your-objectstorage.com";
const regionExample = "the store's own word, as in fsn1 or us-east-1";

export const backupsSchema = z.strictObject(
  {
    /** A bucket that keeps versions, and a key that cannot remove them: docs/runbooks/backups.md. */
    store: z.strictObject(
      {
        kind: z.literal("s3"),
        /** Where the bucket is, without it. */
        endpoint: textWithoutLogin(
          z.string(use(`https:// and the store's host, as in ${endpointExample}`)),
          "use the secrets berth:backupsAccessKeyId and berth:backupsSecretAccessKey, and a new key: this one was in the file",
        ).refine(
          (text) => isHostUrl(text, ["https"]),
          `is not an endpoint; use https:// and the store's host, without bucket and path, as in ${endpointExample}`,
        ),
        /** S3's rules of names (docs.aws.amazon.com, "General purpose bucket naming rules"). */
        bucket: z
          .string(use("the bucket's name"))
          .regex(
            /^(?!.*\.\.)(?!\d+(\.\d+){3}$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/,
            "is not a bucket's name; use 3 to 63 lower-case letters, digits, dashes and single dots, no IP address",
          ),
        /** As requests are signed for; Hetzner's is its location. */
        region: z.string(use(regionExample)).regex(/^[a-z0-9-]+$/, `is not a region; use ${regionExample}`),
        /** Signed the store's certificate, where the host does not trust it anyway. PEM. */
        trustedAuthorityPem: certificateSchema.optional(),
      },
      use(storeExample),
    ),
    /** When, each day. */
    at: time.default("02:00"),
    keep: keep.prefault({}),
    /** Systems that keep theirs for another time. */
    keepOf: z.record(hyphenatedNameSchema, keep, use("{ togather: { daily: 30, weekly: 4 } }")).default({}),
    /** Restoring the newest backup into a throwaway server. */
    drill: z
      .strictObject({
        on: z.enum(drillDays).default("sunday"),
        at: time.default("04:00"),
        /** Memory limit of that server; the host has as much free while no release runs. */
        memoryMebibytes: wholeNumber(256).default(512),
        /** How a system's newest row is found, and how much older than the backup it may be. */
        newest: z
          .record(
            hyphenatedNameSchema,
            z.strictObject(
              {
                /** The system's only one when left out. */
                database: z.string().min(1).optional(),
                /** Answers one time: `SELECT max(created_at) FROM events`. */
                query: z
                  .string(use(newestExample))
                  .regex(
                    /^\s*(select|with)\b[^;]*$/i,
                    `is not one query that reads; use a SELECT without a semicolon, as in ${newestExample}`,
                  ),
                /** As far back as a backup may be kept. */
                maxAgeHours: wholeNumber(1, 87_600),
              },
              use(`{ query: ${newestExample}, maxAgeHours: 48 }`),
            ),
          )
          .default({}),
      })
      .prefault({}),
    /** Bringing a database back to any second of the last days; off when left out. */
    pointInTime: z
      .strictObject(
        {
          windowDays: wholeNumber(1, 60).default(7),
          /** How often what was written leaves the host: what a loss of the host costs at most. */
          everyMinutes: wholeNumber(1, 60).default(5),
          /**
           * How much of the write-ahead log a server keeps while it cannot be sent. Beyond it the window ends, and the next base backup begins
           * another. The default is what the systems set that keep one for ElectricSQL.
           */
          maxWalGigabytes: wholeNumber(1, 1000).default(4),
          /** The copy of each server's files that a recovery begins with: what was written since is replayed. */
          baseBackup: z
            .strictObject({ on: z.enum(drillDays).default("sunday"), at: time.default("01:00") })
            .prefault({}),
        },
        use("{} for the defaults, or leave it out"),
      )
      .optional(),
  },
  use(`store: ${storeExample}`),
);
/**
 * How many segments of 16 MiB a server keeps, and each backup of its write-ahead log has: 512 MiB, which is what is read again each time. More
 * would make fewer backups of a week, which a recovery fetches one by one.
 */
export const heldSegments = 32;

export type BackupsConfig = Readonly<z.infer<typeof backupsSchema>>;

/** The secrets that go with `berth:backups`, by key, and what a value must be like. */
export const backupSecrets = {
  backupsAccessKeyId: {
    of: "backups",
    description: "id of the store's key for the hosts",
    pattern: /^[A-Za-z0-9+/=_-]{3,128}$/,
    form: "3 to 128 letters, digits and +/=_-",
    generate: "cat key-id",
  },
  backupsSecretAccessKey: {
    of: "backups",
    description: "the store's key for the hosts",
    pattern: /^[A-Za-z0-9+/=_-]{8,128}$/,
    form: "8 to 128 letters, digits and +/=_-",
    generate: "cat key",
  },
  backupsPassword: {
    of: "backups",
    description: "what backups are encrypted with; keep a copy elsewhere, no backup opens without it",
    pattern: /^[\x21-\x7e]{24,256}$/,
    form: "24 to 256 printable ASCII characters without spaces",
    generate: "openssl rand -base64 32",
  },
} as const;
export type BackupSecret = keyof typeof backupSecrets;
