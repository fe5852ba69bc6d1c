import { z } from "zod";
import { certificateSchema, isHostUrl, textWithoutLogin, use, wholeNumber } from "../schema.ts";

/** What a host is watched for and who is told, as `berth:alerts` declares it: what needs no resource. */

const percentOf = (byDefault: number) => wholeNumber(1, 99).default(byDefault);
const atLeastOne = (byDefault: number) => wholeNumber(1).default(byDefault);

/** Fewer days than these left on a certificate, and its renewal has failed for long: hosts renew 30 days before the end. */
export const lateCertificateDays = 14;

/** Ways on which a message goes out, by their keys in `berth:alerts`. */
export const channels = ["email", "slack", "discord", "ntfy"] as const;

/** A way whose address is a secret of its own. What stands here by mistake is that address, so it is not printed. */
const way = (secret: string) =>
  z
    .custom<boolean>((value) => typeof value === "boolean", {
      error: `is not true or false; its address is a secret. Set it: cat url | npx pulumi config set --secret berth:${secret}, then true here`,
      params: { hideValue: true },
    })
    .default(false);

export const alertsSchema = z
  .strictObject(
    {
      email: z
        .strictObject(
          {
            /** Hetzner lets no new project use ports 25 and 465 (docs.hetzner.com, "Cloud Servers FAQ"): 587, which upgrades to TLS. */
            server: textWithoutLogin(
              z.string(use("smtp:// or smtps://, and host and port, as in smtp://mail.example.org:587")),
              "use berth:alerts.email.user, and a new password in the secret berth:alertsEmailPassword: this one was in the file",
            ).refine(
              (text) => isHostUrl(text, ["smtp", "smtps"], true),
              "is not a mail server; use smtp:// (which must offer STARTTLS) or smtps://, and host and port, as in smtp://mail.example.org:587",
            ),
            /** Logs in with the secret `berth:alertsEmailPassword`; left out for a server that asks for none. curl ends it at a colon. */
            user: textWithoutLogin(
              z.string().min(1, "is empty; leave it out for a server without logins"),
              "use the name alone, and a new password in the secret berth:alertsEmailPassword: this one was in the file",
              /:/,
            )
              .regex(/^\S*$/, "is not a user's name; use one without spaces")
              .optional(),
            from: z.email("is not an e-mail address; use one that the server may send from"),
            to: z
              .array(
                z.email("is not an e-mail address; use a form like ops@example.org"),
                use("a list, as in [ops@example.org]"),
              )
              .min(1, "names nobody; use one address or more"),
          },
          use("{ server: smtp://mail.example.org:587, from: berth@example.org, to: [ops@example.org] }"),
        )
        .optional(),
      /** To the incoming webhook in the secret `berth:alertsSlackUrl`. */
      slack: way("alertsSlackUrl"),
      /** To the channel's webhook in the secret `berth:alertsDiscordUrl`. */
      discord: way("alertsDiscordUrl"),
      /** To the topic in the secret `berth:alertsNtfyUrl`, of ntfy.sh or of a server of one's own. */
      ntfy: way("alertsNtfyUrl"),
      /** So often the URL in the secret `berth:alertsHeartbeatUrl` is asked for: whoever owns it tells when that ends. Left out, nobody does. */
      heartbeatMinutes: wholeNumber(1, 60).optional(),
      /** What the link of a runbook begins with: where the owner reads this repository's `docs/runbooks`. */
      runbooks: textWithoutLogin(z.string(), "leave it out: messages show this URL", /^[a-z]+:\/\/[^/]*@/i)
        .regex(
          /^[^\s"\\#]+[^\s"\\#/]$/,
          "is not where runbooks are; use a URL or a path, without a slash at its end",
        )
        .default("docs/runbooks"),
      /** Signed the certificate of a receiver, where the host does not trust it anyway. PEM. */
      trustedAuthorityPem: certificateSchema.optional(),
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
    },
    use("one or several of email, slack, discord and ntfy, as in { slack: true }"),
  )
  .refine((alerts) => channels.some((channel) => alerts[channel]), {
    error: `tells nobody; use one or several of ${channels.join(", ")}. Set it: npx pulumi config set --path berth:alerts.slack true`,
    params: { hideValue: true },
  });
export type AlertsConfig = Readonly<z.infer<typeof alertsSchema>>;

/** Every receiver has a path: the address of its host alone is nobody's. curl reads other braces and brackets as patterns. */
const url = {
  pattern: /^https:\/\/[^\s"\\/{}[\]]{4,200}\/([^\s"\\{}[\]]|\{host\}){1,400}$/,
  form: "https://, a host and a path, without spaces, quotes and brackets; {host} in the path is the host's name",
  generate: "cat url",
};

/** The secrets that go with `berth:alerts`, by key: where each belongs to, and what a value must be like. */
export const alertSecrets = {
  alertsEmailPassword: {
    of: "alerts.email.user",
    description: "password of berth:alerts.email.user",
    pattern: /^[\x21-\x7e]{1,256}$/,
    form: "1 to 256 printable ASCII characters without spaces",
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
    .looseObject({ email: z.looseObject({ user: z.unknown() }).optional().catch(undefined) })
    .catch({ email: undefined })
    .parse(alerts);
  // What is neither is refused by the schema; its secret is right all the same.
  const declared = (way: unknown) => way !== undefined && way !== false;
  return [
    ...(email?.user === undefined ? [] : ["alertsEmailPassword" as const]),
    ...(declared(slack) ? ["alertsSlackUrl" as const] : []),
    ...(declared(discord) ? ["alertsDiscordUrl" as const] : []),
    ...(declared(ntfy) ? ["alertsNtfyUrl" as const] : []),
    ...(heartbeatMinutes === undefined ? [] : ["alertsHeartbeatUrl" as const]),
  ];
}
