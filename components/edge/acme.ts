import type { Input } from "@pulumi/pulumi";
import { installedScript } from "../host/command.ts";
import { deployUser } from "../host/host-files.ts";
import { hostPaths } from "../host/paths.ts";
import { type Acme, directoryUrl } from "./tls.ts";

/** How long a domain may take to lead to the host; a resolver may still hold that it does not exist. */
const dnsWaitSeconds = 60;

/** What certbot, the wait for DNS and the reload of the edge may take together. */
export const certificatesDeadlineSeconds = 900;

/** The script on the host that asks and renews, and the unit and timer that run it. */
export const renewal = {
  RENEWAL_SCRIPT: "/usr/local/lib/berth/certificates",
  RENEWAL_UNIT: "berth-certificates",
};

/** Of these. */
export const renewalFiles = [
  renewal.RENEWAL_SCRIPT,
  ...["service", "timer"].map((kind) => `/etc/systemd/system/${renewal.RENEWAL_UNIT}.${kind}`),
];

const timer = `[Unit]
Description=Renews the certificate of the edge when it is about to expire

[Timer]
OnCalendar=*-*-* 03,15:00:00
RandomizedDelaySec=1h
Persistent=true

[Install]
WantedBy=timers.target
`;

const service = `[Unit]
Description=Keeps the certificate of the edge
Wants=network-online.target
After=network-online.target docker.service

[Service]
Type=oneshot
User=${deployUser}
ExecStart=${renewal.RENEWAL_SCRIPT}
TimeoutStartSec=${certificatesDeadlineSeconds}
`;

export interface AcmeArgs {
  readonly acme: Acme;
  readonly domains: readonly string[];
  /** Of the host, where all domains must lead. */
  readonly address: Input<string>;
  /** Its IPv6 address, where it has one. */
  readonly address6?: Input<string>;
  /** What all scripts of the edge get. */
  readonly edgeParameters: Record<string, string | number>;
  /** Body of renew.sh with the edge's functions. */
  readonly script: string;
}

/**
 * Parameters of certificates.sh: the script that asks for and renews the certificate, complete, and the units that run it.
 * `up` and the timer run the same script, so that what renews is what was tried.
 */
export function acmeParameters({
  acme,
  domains,
  address,
  address6,
  edgeParameters,
  script,
}: AcmeArgs): Record<string, Input<string>> {
  const url = directoryUrl(acme.directory);
  const parameters = {
    ...edgeParameters,
    DOMAINS: domains.join("\n"),
    ADDRESS: address,
    ...(address6 === undefined ? {} : { ADDRESS6: address6 }),
    DIRECTORY_URL: url,
    EMAIL: acme.email,
    DATA_VOLUME: hostPaths.dataVolume,
    AUTHORITY: acme.trustedAuthorityPem?.trim() ?? "",
    // One for each authority: certbot keeps a certificate that is good, whoever issued it.
    STORE: hostPaths.acme(new URL(url).host.replace(":", "_")),
    DNS_WAIT_SECONDS: dnsWaitSeconds,
  };
  return {
    SCRIPT: installedScript(parameters, script),
    ...renewal,
    SERVICE_UNIT: service,
    TIMER_UNIT: timer,
  };
}
