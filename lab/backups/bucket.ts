import { Agent } from "node:https";
import {
  CreateBucketCommand,
  PutBucketPolicyCommand,
  PutBucketVersioningCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import type { LabHome } from "../home.ts";
import { ensureAuthority } from "../images/index.ts";
import { bucket, type HostKey, region, storeOwnerKey, storePort } from "./address.ts";

/** The bucket of the lab's backups. A module of its own, because the client of S3 takes long to load and few runs need it. */

/** The store's owner as a client of it. */
export async function storeOwner(home: LabHome): Promise<S3Client> {
  const { certificatePem: ca } = await ensureAuthority(home);
  return new S3Client({
    endpoint: `https://${home.gateway}:${storePort}`,
    ...{ region, forcePathStyle: true, credentials: storeOwnerKey, maxAttempts: 1 },
    requestHandler: { httpsAgent: new Agent({ ca }) },
  });
}

/** As docs/runbooks/backups.md has an owner make one. */
export async function makeBucket(client: S3Client, { accessKeyId }: HostKey): Promise<undefined> {
  await client.send(new CreateBucketCommand({ Bucket: bucket })).catch((error: Error) => {
    if (error.name !== "BucketAlreadyOwnedByYou") throw error;
  });
  const versions = { Bucket: bucket, VersioningConfiguration: { Status: "Enabled" } } as const;
  await client.send(new PutBucketVersioningCommand(versions));
  const Principal = { AWS: [accessKeyId] };
  const arn = `arn:aws:s3:::${bucket}`;
  const Statement = [
    { Effect: "Allow", Principal, Action: ["s3:ListBucket", "s3:GetBucketLocation"], Resource: [arn] },
    {
      Effect: "Allow",
      Principal,
      Action: ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
      Resource: [`${arn}/*`],
    },
  ];
  const Policy = JSON.stringify({ Version: "2012-10-17", Statement });
  await client.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy }));
}
