import type { CustomResourceOptions, Resource } from "@pulumi/pulumi";

/** What is kept on a host, and how it is backed up and restored. */
export type KeptData = {
  /** Whose it is: a system's name, or {@link hostItself}. */
  readonly of: string;
} & (
  | {
      readonly kind: "database";
      /** The server that it is on: `togather_postgres`. */
      readonly server: string;
      readonly name: string;
      /** The server's image, and where that keeps its data: a drill starts another one from it. */
      readonly image: string;
      readonly dataPath: string;
    }
  | {
      readonly kind: "redis";
      /** A Redis server with append-only files: `mfa_redis`. */
      readonly server: string;
      /** Where they are on the host. */
      readonly path: string;
    }
  | {
      readonly kind: "folder";
      /** Files that are whole at any time, so that they can be read while they are in use. */
      readonly path: string;
      /** The user of the host whose files they are, where its number may be another one on another host; as they were when left out. */
      readonly owner?: string;
    }
);

export type StoredData = KeptData & {
  /** It is there when these are. */
  readonly after: readonly Resource[];
};

/**
 * Fills what is empty on a host from its backups, as a resource.
 * @param before what must be there first: a folder, a server with its database
 */
export type Restore = (
  name: string,
  data: KeptData,
  before: readonly Resource[],
  opts: CustomResourceOptions,
) => Resource;

/** What the store calls it: `database togather_postgres/togather`. */
export function sourceOf(data: KeptData): string {
  if (data.kind === "folder") return `folder ${data.path}`;
  return data.kind === "redis" ? `redis ${data.server}` : `database ${data.server}/${data.name}`;
}

/** Whose the certificates and repositories of a host are; no system may be called so (config/schema.ts). */
export const hostItself = (host: string) => `host-${host}`;
