import { ServiceConfig } from "@pulumi/docker";
import { type CustomResourceOptions, mergeOptions, type Output } from "@pulumi/pulumi";
import { PrivateKey, SelfSignedCert } from "@pulumi/tls";
import type { Host } from "../host/host.ts";
import { dockerLabels } from "../labels.ts";
import { swarmSecret } from "../secrets/swarm-secret.ts";

const day = 24;
const year = 365 * day;

/**
 * Who may connect, first match first. The socket is what the tunnel leads to, so it asks for a password. The container's own
 * loopback is reached by `docker exec` alone, which root on the host may do anyway. The superuser comes from the host, never from
 * the network; everybody else by TLS with a password.
 */
const accessRules = `local all all scram-sha-256
host all postgres 127.0.0.1/32 trust
host all postgres all reject
hostssl all all all scram-sha-256
`;

/**
 * TLS between a Postgres server and its clients: a key, and a certificate that is its own authority, for the server's name in
 * the overlay's DNS. Valid for twenty years and made anew by any `up` in its last two: both ends change with it, Postgres by
 * a restart, clients by a new slot.
 */
export function postgresTls(
  name: string,
  args: { readonly host: Host; readonly system: string; readonly uid: number },
  opts: CustomResourceOptions,
) {
  const key = new PrivateKey(`${name}-key`, { algorithm: "ECDSA", ecdsaCurve: "P256" }, opts);
  const certificate = new SelfSignedCert(
    `${name}-certificate`,
    {
      privateKeyPem: key.privateKeyPem,
      subject: { commonName: name },
      dnsNames: [name],
      allowedUses: ["digital_signature", "server_auth"],
      validityPeriodHours: 20 * year,
      earlyRenewalHours: 2 * year,
    },
    opts,
  );
  // Postgres takes a key that nobody else can read; its certificate comes the same way.
  const file = (fileName: string, value: Output<string>) => {
    const secret = swarmSecret(`${name}-${fileName}`, { host: args.host, system: args.system, value }, opts);
    const access = { fileUid: String(args.uid), fileGid: String(args.uid), fileMode: 0o400 };
    return { secretId: secret.id, secretName: secret.name, fileName, ...access };
  };
  const rules = new ServiceConfig(
    `${name}-access`,
    {
      data: Buffer.from(accessRules).toString("base64"),
      labels: dockerLabels(`${name}-access`, args.system),
    },
    mergeOptions(opts, { provider: args.host.docker }),
  );
  const rulesFile = "/berth/pg_hba.conf";
  const settings = {
    ssl: "on",
    ssl_key_file: "/run/secrets/tls-key",
    ssl_cert_file: "/run/secrets/tls-certificate",
    hba_file: rulesFile,
  };
  return {
    /** What a client trusts, PEM. */
    certificatePem: certificate.certPem,
    secrets: [file("tls-key", key.privateKeyPem), file("tls-certificate", certificate.certPem)],
    configs: [{ configId: rules.id, configName: rules.name, fileName: rulesFile }],
    parameters: settings,
  };
}
