import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, readFile, rename, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { writePrivateFile } from "../write-file.ts";

/** A content-addressed file of the store. */
export interface Blob {
  /** `sha256:…` over the bytes. */
  readonly digest: string;
  readonly sizeBytes: number;
}

/** The image of a name and version. */
export interface Tag {
  /** The manifest's digest. */
  readonly digest: string;
  readonly provenance: string;
  /** Hash of everything that the image was built from; the tag is valid only for the same recipe. */
  readonly recipe: string;
}

/** Blobs (`blobs/sha256/…`) and tags, as files under one folder. Writes are atomic, so several processes can use it. */
export interface Store {
  readonly root: string;
  /** Moves the file into the store. The file must be on the same file system. */
  adopt(path: string): Promise<Blob>;
  put(bytes: Buffer): Promise<Blob>;
  /** Path and size of a blob, undefined when the store does not have it. */
  find(digest: string): Promise<{ path: string; sizeBytes: number } | undefined>;
  readTag(name: string, version: string): Promise<Tag | undefined>;
  writeTag(name: string, version: string, tag: Tag): Promise<void>;
}

const digestPattern = /^sha256:[0-9a-f]{64}$/;

export function openStore(root: string): Store {
  const blobPath = (digest: string) => join(root, "blobs", digest.replace(":", "/"));

  const find: Store["find"] = async (digest) => {
    if (!digestPattern.test(digest)) return undefined;
    const path = blobPath(digest);
    const info = await stat(path).catch(() => undefined);
    return info?.isFile() ? { path, sizeBytes: info.size } : undefined;
  };

  return {
    root,
    find,
    async adopt(path) {
      const digest = await fileDigest(path);
      const { size } = await stat(path);
      await mkdir(dirname(blobPath(digest)), { recursive: true });
      await rename(path, blobPath(digest));
      return { digest, sizeBytes: size };
    },
    async put(bytes) {
      const digest = digestOf(bytes);
      writePrivateFile(blobPath(digest), bytes);
      return { digest, sizeBytes: bytes.length };
    },
    async readTag(name, version) {
      const text = await readFile(tagPath(root, name, version), "utf8").catch(() => undefined);
      return text === undefined ? undefined : (JSON.parse(text) as Tag);
    },
    async writeTag(name, version, tag) {
      writePrivateFile(tagPath(root, name, version), `${JSON.stringify(tag)}\n`);
    },
  };
}

/** `sha256:…` of bytes or text. */
export function digestOf(content: Buffer | string): string {
  return `sha256:${createHash("sha256").update(content).digest("hex")}`;
}

/** `sha256:…` of a file. */
async function fileDigest(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  return `sha256:${hash.digest("hex")}`;
}

/**
 * Throws unless both follow the distribution specification's grammar, which also ensures that paths stay inside the store's folder.
 */
export function checkReference(name: string, version: string): void {
  const part = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
  if (!new RegExp(`^${part}(/${part})*$`).test(name)) {
    throw new Error(`"${name}" is not an image name; use lower-case letters, digits, ".", "_", "-" and "/"`);
  }
  if (!/^\w[\w.-]{0,127}$/.test(version)) {
    throw new Error(
      `"${version}" is not a version of an image; use letters, digits, ".", "_" and "-", at most 128 characters`,
    );
  }
}

function tagPath(root: string, name: string, version: string): string {
  checkReference(name, version);
  return join(root, "tags", name, `${version}.json`);
}
