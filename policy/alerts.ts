import { lateCertificateDays } from "../components/watch/alerts-config.ts";
import type { ConfigurationRule } from "../config.ts";

/** When certbot renews (its manual, "Renewing certificates"). */
const renewalDays = 30;

/** An alert about a certificate begins after its renewal should have happened. */
export const renewalsComeFirst: ConfigurationRule = ({ stack, berth: { alerts, tls } }) =>
  alerts === undefined || tls.kind !== "acme" || alerts.certificateDays < renewalDays
    ? []
    : [
        `berth:alerts.certificateDays: ${alerts.certificateDays} is too large, since hosts renew ${renewalDays} days before the end; use 1 to ${renewalDays - 1}. ` +
          `Set it: npx pulumi config set --path berth:alerts.certificateDays ${lateCertificateDays} --stack ${stack}`,
      ];

/** A problem that nobody hears of lasts. */
export const somebodyIsTold: ConfigurationRule = ({ stack, berth: { alerts, environment } }) => {
  if (environment === "development") return [];
  if (alerts === undefined) {
    return [
      "berth:alerts: not set, so nobody is told when a disk is full, a service restarts, or a deployment or a backup fails. " +
        `Set it: npx pulumi config set --path berth:alerts.slack true --stack ${stack} (docs/runbooks/alerts.md has the rest)`,
    ];
  }
  if (alerts.heartbeatMinutes !== undefined) return [];
  return [
    "berth:alerts.heartbeatMinutes: not set, so nobody is told when a host itself is silent. " +
      `Set it: npx pulumi config set --path berth:alerts.heartbeatMinutes 5 --stack ${stack} (docs/runbooks/alerts.md, "Heartbeat")`,
  ];
};
