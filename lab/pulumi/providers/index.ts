import { commandPackage } from "./command/index.ts";
import { dockerPackage } from "./docker/index.ts";
import { hcloudPackage } from "./hcloud/index.ts";
import { postgresqlPackage } from "./postgresql/index.ts";
import type { ProviderPackage } from "./provider.ts";
import { randomPackage } from "./random/index.ts";
import { tlsPackage } from "./tls/index.ts";

/** Every provider that the lab's engine can drive. */
export const providerPackages: readonly ProviderPackage[] = [
  commandPackage,
  dockerPackage,
  hcloudPackage,
  postgresqlPackage,
  randomPackage,
  tlsPackage,
];
