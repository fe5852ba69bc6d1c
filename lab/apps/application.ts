/** What an application stand-in's image is made of: the seam between `lab/apps` and `lab/images`. */

/** One file or folder, copied from this machine or given as text. `mode` defaults to 0644 for files. */
export type ImageEntry =
  | { readonly path: string; readonly from: string; readonly mode?: number }
  | { readonly path: string; readonly text: string; readonly mode?: number };

export interface ApplicationImage {
  /** Layers on top of the application base (Debian, Node, golang-migrate), rarely changing ones first. */
  readonly layers: readonly (readonly ImageEntry[])[];
  readonly environment: Readonly<Record<string, string>>;
  readonly entrypoint: readonly string[];
  readonly workingDirectory: string;
  /** `uid:gid`, never root. */
  readonly user: string;
  readonly ports: readonly number[];
  readonly labels: Readonly<Record<string, string>>;
  /** ISO 8601; the same for the same version. */
  readonly created: string;
}

/** An application that the registry answers for at every version. */
export interface Application {
  /** What it stands in for, for the provenance: "a stand-in of Togather's server in Node". */
  readonly description: string;
  image(version: string): Promise<ApplicationImage>;
}
