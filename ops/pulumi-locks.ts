import { existsSync, readdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { z } from "zod";
import type { StackLock } from "./backend.ts";

/** A lock file as Pulumi writes it: `lockContent` of pkg/backend/diy/lock.go in pulumi/pulumi. */
const lockFile = z.object({
  pid: z.int(),
  username: z.string(),
  hostname: z.string(),
  timestamp: z.string(),
});

/**
 * The folders in which Pulumi keeps a stack's locks, one file a process: `stackLockDir` of pkg/backend/diy/lock.go. The second
 * is that of a backend made before projects were part of a stack's name.
 */
function lockFolders(project: string, stack: string): readonly string[] {
  return [`.pulumi/locks/organization/${project}/${stack}`, `.pulumi/locks/${stack}`];
}

/**
 * Reads the deploy locks of a stack where its backend keeps them. Takes no lock and writes nothing: Pulumi has no command that
 * shows a lock without trying to take it.
 * @param url the backend, as `pulumi whoami --json` names it
 * @throws when the backend is of a kind whose locks cannot be read, or does not answer
 */
export async function readPulumiLocks(
  url: string,
  project: string,
  stack: string,
): Promise<readonly StackLock[]> {
  const folders = lockFolders(project, stack);
  if (url.startsWith("file://")) return readFolder(url, folders);
  if (url.startsWith("s3://")) return readBucket(url, folders);
  throw new Error(
    `the deploy lock of a stack in ${withoutPassword(url)} cannot be read; Berth reads those of file://, s3:// and Pulumi Cloud`,
  );
}

function parseLock(path: string, text: string): StackLock {
  try {
    const { username, hostname, pid, timestamp } = lockFile.parse(JSON.parse(text));
    return { owner: `${username}@${hostname}`, host: hostname, pid, since: timestamp };
  } catch {
    throw new Error(
      `${path} is not a lock that Pulumi wrote; if nothing is deploying, remove it: pulumi cancel`,
    );
  }
}

/** `massageBlobPath` of pkg/backend/diy/backend.go defines the paths: absolute, relative or below the home folder. */
function readFolder(url: string, folders: readonly string[]): readonly StackLock[] {
  const path = url.slice("file://".length).replace(/\?.*$/, "");
  const root = path.startsWith("~") ? join(homedir(), path.slice(1)) : resolve(path);
  return folders
    .map((folder) => join(root, folder))
    .filter((folder) => existsSync(folder))
    .flatMap((folder) =>
      readdirSync(folder, { withFileTypes: true })
        .filter((entry) => entry.isFile() && entry.name.endsWith(".json"))
        .flatMap(({ name }) => {
          const file = join(folder, name);
          const text = readIfThere(file);
          return text === undefined ? [] : [parseLock(file, text)];
        }),
    );
}

/** A run may end and remove its lock between listing and reading. */
function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** How long the bucket may take to answer one request, in milliseconds. */
const bucketTimeoutMs = 20_000;

/**
 * Parameters of the address are those of gocloud.dev/blob/s3blob, which Pulumi opens it with; the credentials come from AWS'
 * default chain, as in Pulumi.
 */
async function readBucket(url: string, folders: readonly string[]): Promise<readonly StackLock[]> {
  const { S3Client, ListObjectsV2Command, GetObjectCommand, NoSuchKey } = await import("@aws-sdk/client-s3");
  const { hostname: bucket, pathname, searchParams } = new URL(url);
  const [region, profile, endpoint] = ["region", "profile", "endpoint"].map((key) => searchParams.get(key));
  const isSet = (...keys: string[]) => keys.some((key) => searchParams.get(key) === "true");
  const scheme = isSet("disableSSL", "disable_https") ? "http" : "https";
  const client = new S3Client({
    region: region ?? process.env.AWS_REGION ?? process.env.AWS_DEFAULT_REGION ?? "us-east-1",
    ...(profile ? { profile } : {}),
    ...(endpoint ? { endpoint: endpoint.includes("://") ? endpoint : `${scheme}://${endpoint}` } : {}),
    forcePathStyle: isSet("s3ForcePathStyle", "use_path_style"),
  });
  const root = pathname.replace(/^\/|\/$/g, "");
  const locks: StackLock[] = [];
  try {
    for (const folder of folders) {
      const prefix = `${root === "" ? "" : `${root}/`}${folder}/`;
      const listed = await client.send(
        new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, Delimiter: "/" }),
        { abortSignal: AbortSignal.timeout(bucketTimeoutMs) },
      );
      for (const { Key: key } of listed.Contents ?? []) {
        if (!key?.endsWith(".json")) continue;
        try {
          const found = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }), {
            abortSignal: AbortSignal.timeout(bucketTimeoutMs),
          });
          locks.push(parseLock(`s3://${bucket}/${key}`, (await found.Body?.transformToString()) ?? ""));
        } catch (error) {
          if (!(error instanceof NoSuchKey)) throw error;
        }
      }
    }
  } finally {
    client.destroy();
  }
  return locks;
}

/** The address without its password, for messages. */
export function withoutPassword(url: string): string {
  return url.replace(/^([a-z0-9+]+:\/\/)[^/@]*@/, "$1").replace(/\?.*$/, "");
}
