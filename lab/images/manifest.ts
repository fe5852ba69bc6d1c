/** Image configurations and manifests (Docker image manifest version 2, schema 2) from plain values. No I/O. */

/** A layer: a tar archive in the store. */
export interface Layer {
  /** Digest of the stored bytes. */
  readonly digest: string;
  readonly sizeBytes: number;
  /** Digest of the uncompressed archive; equal to `digest` when it is stored uncompressed. */
  readonly diffId: string;
  readonly compressed: boolean;
}

/** The settings of an image for its containers. */
export interface ImageSettings {
  readonly environment: Readonly<Record<string, string>>;
  readonly entrypoint: readonly string[];
  readonly command?: readonly string[];
  readonly workingDirectory: string;
  readonly user: string;
  /** TCP ports. */
  readonly ports: readonly number[];
  readonly labels: Readonly<Record<string, string>>;
  /** ISO 8601. Part of the digest, so it must not be the time of generation. */
  readonly created: string;
}

export const manifestType = "application/vnd.docker.distribution.manifest.v2+json";

/**
 * The image's configuration. Equal settings and layers give equal bytes, whatever the order of keys in the input.
 */
export function imageConfig(
  settings: ImageSettings,
  layers: readonly Layer[],
  architecture = "amd64",
): Buffer {
  const sorted = <T>(record: Readonly<Record<string, T>>): [string, T][] =>
    Object.entries(record).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return json({
    architecture,
    os: "linux",
    created: settings.created,
    config: {
      User: settings.user,
      ExposedPorts: Object.fromEntries(
        [...settings.ports].sort((a, b) => a - b).map((port) => [`${port}/tcp`, {}]),
      ),
      Env: sorted(settings.environment).map(([key, value]) => `${key}=${value}`),
      Entrypoint: settings.entrypoint,
      ...(settings.command ? { Cmd: settings.command } : {}),
      WorkingDir: settings.workingDirectory,
      Labels: Object.fromEntries(sorted(settings.labels)),
    },
    rootfs: { type: "layers", diff_ids: layers.map((layer) => layer.diffId) },
    history: layers.map(() => ({ created: settings.created })),
  });
}

/** The manifest of a configuration and its layers. */
export function imageManifest(
  config: { readonly digest: string; readonly sizeBytes: number },
  layers: readonly Layer[],
): Buffer {
  return json({
    schemaVersion: 2,
    mediaType: manifestType,
    config: {
      mediaType: "application/vnd.docker.container.image.v1+json",
      size: config.sizeBytes,
      digest: config.digest,
    },
    layers: layers.map((layer) => ({
      mediaType: `application/vnd.docker.image.rootfs.diff.tar${layer.compressed ? ".gzip" : ""}`,
      size: layer.sizeBytes,
      digest: layer.digest,
    })),
  });
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
