import type { Resource } from "@pulumi/pulumi";

interface Stored {
  /** Whose it is: a system's name, or {@link hostItself}. */
  readonly of: string;
  /** It is there when these are. */
  readonly after: readonly Resource[];
}

/** What is kept on a host, and how it is backed up. */
export type StoredData = Stored &
  (
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
      }
    | {
        readonly kind: "folder";
        /** Files that are whole at any time, so that they can be read while they are in use. */
        readonly path: string;
      }
  );

/** Whose the certificates and repositories of a host are; no system may be called so (config/schema.ts). */
export const hostItself = (host: string) => `host-${host}`;
