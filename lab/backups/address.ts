import type { LabHome } from "../home.ts";

/** Where the lab's store of backups is, and who has a key of it. */
export const storePort = 17070;
export const bucket = "backups";
export const region = "lab";

/** Who owns the bucket: an operator, no host. */
export const storeOwnerKey = {
  accessKeyId: "lab-operator",
  secretAccessKey: "lab-operators-key-of-the-store",
};

/** What the hosts have: `berth:backupsAccessKeyId` and `berth:backupsSecretAccessKey`. */
export interface HostKey {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** What `berth:backups.store` is in the lab. */
export function labStore(home: LabHome, authorityPem: string) {
  const endpoint = `https://${home.gateway}:${storePort}`;
  return { kind: "s3", endpoint, bucket, region, trustedAuthorityPem: authorityPem };
}
