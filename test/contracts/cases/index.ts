import type { TypeCases } from "../format.ts";
import { command } from "./command.ts";
import { network, secret, service, serviceConfig } from "./docker.ts";
import { privateKey, randomPassword, selfSignedCert } from "./generated.ts";
import { firewall, primaryIp, server, sshKey, volume, volumeAttachment, zone, zoneRrset } from "./hcloud.ts";
import { database, extension, grant, role } from "./postgresql.ts";

/** Every type that the program registers. */
export const contracts: readonly TypeCases[] = [
  command,
  network,
  secret,
  service,
  serviceConfig,
  firewall,
  primaryIp,
  server,
  sshKey,
  volume,
  volumeAttachment,
  zone,
  zoneRrset,
  database,
  extension,
  grant,
  role,
  randomPassword,
  privateKey,
  selfSignedCert,
];
