import { z } from "zod";

/** What a host is watched for and who is told, as `berth:alerts` declares it: what needs no resource. */

const percentOf = (byDefault: number) =>
  z.int().min(1, "is too small; use 1 to 99").max(99, "is too large; use 1 to 99").default(byDefault);
/** Fewer days than these left on a certificate, and its renewal has failed for long: hosts renew 30 days before the end. */
export const lateCertificateDays = 14;

const atLeastOne = (byDefault: number) => z.int().min(1, "is too small; use 1 or more").default(byDefault);

/** Ways on which a message goes out, by their keys in `berth:alerts`. */
export const channels = ["email", "slack", "discord", "ntfy"] as const;

export const alertsSchema = z
  .strictObject({
    email: z
      .strictObject({
        /** Hetzner lets no new project use ports 25 and 465 (docs.hetzner.com, "Cloud Servers FAQ"): 587, which upgrades to TLS. */
        server: z
          .string()
          .regex(
            /^smtps?:\/\/[a-z0-9.-]+(:\d+)?$/,
            "is not a mail server; use smtp:// (which must offer STARTTLS) or smtps://, and host and port, as in smtp://mail.example.org:587",
          ),
        /** Logs in with the secret `berth:alertsEmailPassword`; left out for a server that asks for none. */
        user: z.string().min(1, "is empty; leave it out for a server without logins").optional(),
        from: z.email("is not an e-mail address; use one that the server may send from"),
        to: z.array(z.email("is not an e-mail address")).min(1, "names nobody; use one address or more"),
      })
      .optional(),
    /** To the incoming webhook in the secret `berth:alertsSlackUrl`. */
    slack: z.boolean().default(false),
    /** To the channel's webhook in the secret `berth:alertsDiscordUrl`. */
    discord: z.boolean().default(false),
    /** To the topic in the secret `berth:alertsNtfyUrl`, of ntfy.sh or of a server of one's own. */
    ntfy: z.boolean().default(false),
    /** So often the URL in the secret `berth:alertsHeartbeatUrl` is asked for: whoever owns it tells when that ends. Left out, nobody does. */
    heartbeatMinutes: z
      .int()
      .min(1, "is too small; use 1 to 60")
      .max(60, "is too large; use 1 to 60")
      .optional(),
    /** What the link of a runbook begins with: where the owner reads this repository's `docs/runbooks`. */
    runbooks: z
      .string()
      .regex(
        /^[^\s"\\#]+[^\s"\\#/]$/,
        "is not where runbooks are; use a URL or a path, without a slash at its end",
      )
      .default("docs/runbooks"),
    /** Signed the certificate of a receiver, where the host does not trust it anyway. PEM. */
    trustedAuthorityPem: z
      .string()
      .regex(/^-----BEGIN CERTIFICATE-----/, "is not a certificate; use PEM")
      .optional(),
    /** Of the host's memory, what is in use and cannot be given back, for five minutes. */
    memoryPercent: percentOf(85),
    /** Of the root disk and of the data volume, as everybody but root may fill them. */
    diskPercent: percentOf(80),
    /** Of a service's memory limit, what the kernel cannot take back. */
    serviceMemoryPercent: percentOf(90),
    /** A service that was restarted is an alert until it has run for so long. */
    restartMinutes: atLeastOne(15),
    /** What a served certificate has left. */
    certificateDays: atLeastOne(lateCertificateDays),
    /** Of a Postgres server's `max_connections`. */
    connectionsPercent: percentOf(80),
    /** What a replication slot keeps from being removed; the data volume holds it. */
    replicationMebibytes: atLeastOne(1024),
  })
  .refine((alerts) => channels.some((channel) => alerts[channel]), {
    error: `tells nobody; use one or several of ${channels.join(", ")}`,
    params: { hideValue: true },
  });
export type AlertsConfig = Readonly<z.infer<typeof alertsSchema>>;

const url = { pattern: /^https:\/\/[^\s"\\]{8,500}$/, generate: "cat url" };

/** The secrets that go with `berth:alerts`, by key: where each belongs to, and what a value must be like. */
export const alertSecrets = {
  alertsEmailPassword: {
    of: "alerts.email.user",
    description: "password of berth:alerts.email.user",
    pattern: /^[\x21-\x7e]{1,256}$/,
    generate: "cat password",
  },
  alertsSlackUrl: { of: "alerts.slack", description: "incoming webhook of Slack", ...url },
  alertsDiscordUrl: { of: "alerts.discord", description: "webhook of Discord", ...url },
  alertsNtfyUrl: { of: "alerts.ntfy", description: "topic of ntfy, with its server", ...url },
  alertsHeartbeatUrl: {
    of: "alerts.heartbeatMinutes",
    description: "URL that a host's heartbeat asks for",
    ...url,
  },
} as const;
export type AlertSecret = keyof typeof alertSecrets;

/** The secrets that a configuration needs. @param alerts as it was parsed, or may be invalid otherwise */
export function neededAlertSecrets(alerts: unknown): AlertSecret[] {
  const { email, slack, discord, ntfy, heartbeatMinutes } = z
    .looseObject({ email: z.looseObject({ user: z.unknown() }).optional() })
    .catch({})
    .parse(alerts);
  return [
    ...(email?.user === undefined ? [] : ["alertsEmailPassword" as const]),
    ...(slack === true ? ["alertsSlackUrl" as const] : []),
    ...(discord === true ? ["alertsDiscordUrl" as const] : []),
    ...(ntfy === true ? ["alertsNtfyUrl" as const] : []),
    ...(heartbeatMinutes === undefined ? [] : ["alertsHeartbeatUrl" as const]),
  ];
}
