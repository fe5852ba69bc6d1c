import { createHash } from "node:crypto";
import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectVersionsCommand,
  type ObjectVersion,
  S3Client,
} from "@aws-sdk/client-s3";
import { hostItself } from "../components/host/stored-data.ts";
import type { Backend } from "./backend.ts";
import { resourceName, resources, textOf } from "./deployment.ts";
import { assigned } from "./system-database.ts";

interface Repository {
  readonly bucket: string;
  /** Of the names of its objects. */
  readonly prefix: string;
}

/**
 * The store of a system's or a host's backups, as the state knows it, for the owner of the bucket.
 * @throws when nothing of that name is backed up, or the owner's key is not in the environment
 */
export async function ownerOfStore(
  backend: Backend,
  of: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Repository & { readonly client: S3Client }> {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = environment;
  if (!accessKeyId || !secretAccessKey)
    throw new Error(
      "the key of the bucket's owner is missing: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    );
  const names = [of, hostItself(of)].map((name) => `${name}-backup-drill`);
  const drill = resources(await backend.read()).find(({ urn }) => names.includes(resourceName(urn)));
  const values = assigned(textOf(drill?.inputs, "stdin") ?? "");
  const store = values.get("STORE");
  if (store === undefined) throw new Error(`${of} has no backups: set berth:backups and run up`);
  const { origin, pathname } = new URL(store);
  const [bucket = "", ...prefix] = pathname.slice(1).split("/");
  const client = new S3Client({
    ...{ endpoint: origin, region: values.get("REGION") ?? "", forcePathStyle: true },
    credentials: { accessKeyId, secretAccessKey },
  });
  return { client, bucket, prefix: `${prefix.join("/")}/` };
}

/**
 * Brings back what was deleted or overwritten in a repository, with the key of the bucket's owner: removes the marks of deletion, and every
 * version whose content is not what its name says, since restic names each object but the repository's `config` by its content. Locks stay deleted.
 * @returns how many objects came back
 */
export async function undelete(client: S3Client, { bucket, prefix }: Repository): Promise<number> {
  const marks: { Key: string; VersionId: string }[] = [];
  const versions = new Map<string, ObjectVersion[]>();
  for (let next: { KeyMarker?: string; VersionIdMarker?: string } | undefined = {}; next !== undefined; ) {
    const question: ListObjectVersionsCommand = new ListObjectVersionsCommand({
      ...{ Bucket: bucket, Prefix: prefix, ...next },
    });
    const page = await client.send(question);
    for (const { Key, VersionId } of page.DeleteMarkers ?? [])
      if (Key !== undefined && VersionId !== undefined) marks.push({ Key, VersionId });
    for (const version of page.Versions ?? []) {
      const { Key = "" } = version;
      versions.set(Key, [...(versions.get(Key) ?? []), version]);
    }
    const { IsTruncated, NextKeyMarker: KeyMarker, NextVersionIdMarker: VersionIdMarker } = page;
    next =
      IsTruncated && KeyMarker !== undefined && VersionIdMarker !== undefined
        ? { KeyMarker, VersionIdMarker }
        : undefined;
  }
  const isLock = (key: string) =>
    [`${prefix}locks/`, `${prefix}point-in-time/locks/`].some((locks) => key.startsWith(locks)) ||
    key === `${prefix}berth-probe`;
  const back = new Set<string>();
  for (const { Key, VersionId } of marks) {
    if (isLock(Key)) continue;
    await client.send(new DeleteObjectCommand({ Bucket: bucket, Key, VersionId }));
    back.add(Key);
  }
  for (const [Key, all] of versions) {
    if (isLock(Key) || all.length === 1) continue;
    const own: boolean[] = [];
    for (const { VersionId } of all) own.push(await isItsOwn(client, bucket, Key, VersionId));
    // Nothing is removed where no version is the one that restic wrote.
    if (!own.includes(true)) continue;
    for (const [index, { VersionId }] of all.entries()) {
      if (own[index]) continue;
      await client.send(new DeleteObjectCommand({ Bucket: bucket, Key, VersionId }));
      back.add(Key);
    }
  }
  return back.size;
}

/** Whether a version is what restic wrote under that name, which is the SHA-256 of the content (restic's design, "Repository Layout"). */
async function isItsOwn(
  client: S3Client,
  bucket: string,
  key: string,
  version: string | undefined,
): Promise<boolean> {
  const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key, VersionId: version }));
  const content = (await Body?.transformToByteArray()) ?? new Uint8Array();
  return createHash("sha256").update(content).digest("hex") === key.split("/").at(-1);
}
