import { z } from "zod";
import { hyphenatedNameSchema } from "../schema.ts";

/** Backups that leave the host, as `berth:backups` declares them: what needs no resource. */

const time = z
  .string()
  .regex(
    /^([01]\d|2[0-3]):[0-5]\d$/,
    'is not a time of day; use hours and minutes in UTC, as in "02:00", with the quotes',
  );

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

const kept = "use 1 to 3650";

/** The newest backup of each of so many days and weeks stays. */
const keep = z.strictObject({
  daily: z.int().min(1, `is too small; ${kept}`).max(3650, `is too large; ${kept}`).default(7),
  weekly: z.int().min(1, `is too small; ${kept}`).max(520, "is too large; use 1 to 520").default(4),
});

export const backupsSchema = z.strictObject({
  /** A bucket that keeps versions, and a key that cannot remove them: docs/runbooks/backups.md. */
  store: z.strictObject({
    kind: z.literal("s3"),
    /** Where the bucket is, without it. */
    endpoint: z
      .string()
      .regex(
        /^https:\/\/[a-z0-9.-]+(:\d+)?$/,
        "is not an endpoint; use https:// and the store's host, without bucket and path, as in https://fsn1.your-objectstorage.com",
      ),
    bucket: z
      .string()
      .regex(
        /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/,
        "is not a bucket's name; use 3 to 63 lower-case letters, digits, dots and dashes",
      ),
    /** As requests are signed for; Hetzner's is its location. */
    region: z
      .string()
      .regex(/^[a-z0-9-]+$/, "is not a region; use the store's own word, as in fsn1 or us-east-1"),
    /** Signed the store's certificate, where the host does not trust it anyway. PEM. */
    trustedAuthorityPem: z
      .string()
      .regex(/^-----BEGIN CERTIFICATE-----/, "is not a certificate; use PEM")
      .optional(),
  }),
  /** When, each day. */
  at: time.default("02:00"),
  keep: keep.prefault({}),
  /** Systems that keep theirs for another time. */
  keepOf: z.record(hyphenatedNameSchema, keep).default({}),
  /** Restoring the newest backup into a throwaway server. */
  drill: z
    .strictObject({
      on: z.enum(drillDays).default("sunday"),
      at: time.default("04:00"),
      /** Memory limit of that server; the host has as much free while no release runs. */
      memoryMebibytes: z.int().min(256, "is too small; use 256 or more").default(512),
      /** How a system's newest row is found, and how much older than the backup it may be. */
      newest: z
        .record(
          hyphenatedNameSchema,
          z.strictObject({
            /** The system's only one when left out. */
            database: z.string().min(1).optional(),
            /** Answers one time: `SELECT max(created_at) FROM events`. */
            query: z.string().min(1),
            maxAgeHours: z.int().min(1, "is too small; use 1 or more"),
          }),
        )
        .default({}),
    })
    .prefault({}),
  /** Bringing a database back to any second of the last days; off when left out. */
  pointInTime: z
    .strictObject({
      windowDays: z.int().min(1, "is too small; use 1 to 60").max(60, "is too large; use 1 to 60").default(7),
      /** How often what was written leaves the host: what a loss of the host costs at most. */
      everyMinutes: z
        .int()
        .min(1, "is too small; use 1 to 60")
        .max(60, "is too large; use 1 to 60")
        .default(5),
      /**
       * How much of the write-ahead log a server keeps while it cannot be sent. Beyond it the window ends, and the next base backup begins
       * another. The default is what the systems set that keep one for ElectricSQL.
       */
      maxWalGigabytes: z
        .int()
        .min(1, "is too small; use 1 to 1000")
        .max(1000, "is too large; use 1 to 1000")
        .default(4),
      /** The copy of each server's files that a recovery begins with: what was written since is replayed. */
      baseBackup: z
        .strictObject({ on: z.enum(drillDays).default("sunday"), at: time.default("01:00") })
        .prefault({}),
    })
    .optional(),
});
export type BackupsConfig = Readonly<z.infer<typeof backupsSchema>>;

/** The secrets that go with `berth:backups`, by key, and what a value must be like. */
export const backupSecrets = {
  backupsAccessKeyId: {
    of: "backups",
    description: "id of the store's key for the hosts",
    pattern: /^[A-Za-z0-9+/=_-]{3,128}$/,
    generate: "cat key-id",
  },
  backupsSecretAccessKey: {
    of: "backups",
    description: "the store's key for the hosts",
    pattern: /^[A-Za-z0-9+/=_-]{8,128}$/,
    generate: "cat key",
  },
  backupsPassword: {
    of: "backups",
    description: "what backups are encrypted with; keep a copy elsewhere, no backup opens without it",
    pattern: /^[\x21-\x7e]{24,256}$/,
    generate: "openssl rand -base64 32",
  },
} as const;
export type BackupSecret = keyof typeof backupSecrets;
