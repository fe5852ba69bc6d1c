/** The operations on the outer Docker engine that the images need: build, import, pull, inspect. */
import type Dockerode from "dockerode";
import type { OuterDocker } from "../docker/outer-docker.ts";
import type { Progress } from "../progress.ts";

interface EngineMessage {
  readonly stream?: string;
  readonly status?: string;
  readonly error?: string;
}

/** True when the engine has the image. */
export async function hasImage(docker: OuterDocker, reference: string): Promise<boolean> {
  return (await inspect(docker, reference)) !== undefined;
}

/** The image's configuration, undefined when the engine does not have it. */
async function inspect(
  docker: OuterDocker,
  reference: string,
): Promise<Dockerode.ImageInspectInfo | undefined> {
  return docker.client
    .getImage(reference)
    .inspect()
    .catch((error: { statusCode?: number }) => {
      if (error.statusCode === 404) return undefined;
      throw error;
    });
}

/**
 * Builds a folder with its `Dockerfile` on the host's network and tags the result.
 *
 * @param deadlineSeconds for the whole build.
 * @throws with the last lines of the build's output.
 */
export async function build(
  docker: OuterDocker,
  job: {
    readonly folder: string;
    readonly tag: string;
    readonly args: Readonly<Record<string, string>>;
    readonly what: string;
    readonly deadlineSeconds: number;
  },
  progress: Progress,
): Promise<void> {
  const stream = await docker.client.buildImage(
    { context: job.folder, src: ["."] },
    { t: job.tag, networkmode: "host", buildargs: { ...job.args }, rm: true, forcerm: true },
  );
  await follow(docker, stream, job.what, job.deadlineSeconds, progress);
}

/** Makes an image of one layer from a tar archive of a root file system. */
export async function importRoot(
  docker: OuterDocker,
  archive: NodeJS.ReadableStream,
  reference: { readonly repository: string; readonly tag: string },
  progress: Progress,
): Promise<void> {
  const stream = await docker.client.importImage(archive, { repo: reference.repository, tag: reference.tag });
  await follow(docker, stream, `importing ${reference.repository}`, 300, progress);
}

let registriesAnswer: boolean | undefined;

/**
 * Pulls a real image. Returns false when that is impossible. The first pull of a process determines whether registries
 * can be reached: when none answers within 8 seconds, later calls return false at once.
 */
export async function tryPull(docker: OuterDocker, reference: string, progress: Progress): Promise<boolean> {
  if (registriesAnswer === false) return false;
  const firstAnswerSeconds = 8;
  const silent = Symbol("silent");
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<typeof silent>((resolve) => {
    timer = setTimeout(() => resolve(silent), firstAnswerSeconds * 1000);
  });
  try {
    // The engine answers the request only after the registry has answered.
    const stream = await Promise.race([docker.client.pull(reference), silence]);
    if (stream === silent) {
      registriesAnswer = false;
      return false;
    }
    await follow(docker, stream, `pulling ${reference}`, 600, progress);
    registriesAnswer = true;
    return true;
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    // A refusal is an answer too; only when no registry can be reached is no further pull tried.
    if (/manifest unknown|not found|denied|no matching manifest/i.test(text)) return false;
    registriesAnswer = false;
    progress(`no image registry can be reached (${text.split("\n")[0]?.slice(0, 120)}): using stand-ins`);
    return false;
  } finally {
    clearTimeout(timer);
  }
}

/** Reads the engine's stream of messages to its end and reports progress every three seconds. */
async function follow(
  docker: OuterDocker,
  stream: NodeJS.ReadableStream,
  what: string,
  deadlineSeconds: number,
  progress: Progress,
): Promise<void> {
  const started = Date.now();
  const lastLines: string[] = [];
  let failure: string | undefined;
  const note = (message: EngineMessage) => {
    if (message.error !== undefined) failure = message.error;
    for (const line of (message.stream ?? message.status ?? "").split("\n")) {
      if (line.trim() === "") continue;
      lastLines.push(line.trim());
      if (lastLines.length > 15) lastLines.shift();
    }
  };
  const tick = setInterval(() => {
    const seconds = Math.round((Date.now() - started) / 1000);
    progress(`${what} (${seconds} s): ${lastLines.at(-1)?.slice(0, 90) ?? ""}`);
  }, 3000);
  let timer: NodeJS.Timeout | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      timer = setTimeout(() => {
        reject(
          new Error(`${what}: not done after ${deadlineSeconds} s; last lines:\n${lastLines.join("\n")}`),
        );
        if ("destroy" in stream && typeof stream.destroy === "function") stream.destroy();
      }, deadlineSeconds * 1000);
      docker.client.modem.followProgress(
        stream,
        (error: Error | null) => (error ? reject(error) : resolve()),
        note,
      );
    });
  } catch (error) {
    failure ??= error instanceof Error ? error.message : String(error);
  } finally {
    clearInterval(tick);
    clearTimeout(timer);
  }
  if (failure !== undefined) throw new Error(`${what} failed: ${failure}\n${lastLines.join("\n")}`);
}
