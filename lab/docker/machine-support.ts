import { randomUUID } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type Dockerode from "dockerode";
import type { LabHome } from "../home.ts";
import { isRoot, run } from "./host.ts";
import { labLabels } from "./labels.ts";

/**
 * The container settings of a machine. Not `Privileged`, which fails when the engine itself lacks a capability
 * (CAP_SYS_RESOURCE, in containers and small virtual machines). A machine sets its own network's kernel parameters (`net`), which its
 * network namespace has; those that all of this machine shares (`kernel`, `fs`, `vm`) it can read alone.
 */
export const machinePowers: Dockerode.HostConfig & { readonly CgroupnsMode: "private" } = {
  CapAdd: ["ALL"],
  CapDrop: ["SYS_RESOURCE"],
  SecurityOpt: ["seccomp=unconfined", "apparmor=unconfined"],
  MaskedPaths: [],
  ReadonlyPaths: ["/proc/sys/kernel", "/proc/sys/fs", "/proc/sys/vm"],
  DeviceCgroupRules: ["a *:* rwm"],
  CgroupnsMode: "private",
};

/**
 * Whether an engine that the lab did not start can run machines: tested with a container of these settings that reads
 * a file of this machine (which an engine on another or a virtual machine does not have). The result is cached per engine.
 *
 * @returns true, or the reason why not.
 */
export async function mayRunMachines(client: Dockerode, home: LabHome): Promise<true | string> {
  if (!isRoot()) return "its machines need volumes and firewalls from outside, and this is not root";
  const info = await client.info();
  const verdicts = join(home.cacheDir, "engines");
  const memory = join(verdicts, String(info.ID).replace(/[^A-Za-z0-9-]/g, "_"));
  const known = await readFile(memory, "utf8").catch(() => undefined);
  if (known !== undefined) return known === "yes" ? true : known;
  const verdict = await tryOut(client, home).then(
    () => "yes",
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
  await mkdir(verdicts, { recursive: true });
  await writeFile(memory, verdict);
  return verdict === "yes" ? true : verdict;
}

async function tryOut(client: Dockerode, home: LabHome): Promise<void> {
  const folder = join(home.cacheDir, `trial-${randomUUID()}`);
  await mkdir(join(folder, "empty"), { recursive: true });
  const image = `berth/trial:${process.pid}`;
  try {
    const archive = join(folder, "empty.tar");
    await run("tar", ["-C", join(folder, "empty"), "-cf", archive, "."]);
    await writeFile(join(folder, "mark"), "here");
    await finished(
      client,
      await client.importImage(archive, { repo: "berth/trial", tag: String(process.pid) }),
    );
    const system = ["/usr", "/bin", "/lib", "/lib64"];
    const container = await client.createContainer({
      Image: image,
      Cmd: ["/bin/sh", "-c", "mount -o remount,rw /sys && grep -q here /trial/mark"],
      Labels: labLabels(home, "trial"),
      HostConfig: {
        ...machinePowers,
        NetworkMode: "none",
        Binds: [...system.map((path) => `${path}:${path}:ro`), `${folder}:/trial:ro`],
      },
    });
    try {
      await container.start();
      const { StatusCode } = (await container.wait()) as { StatusCode: number };
      if (StatusCode !== 0) throw new Error("it does not run on this machine, or not with enough rights");
    } finally {
      await container.remove({ force: true });
    }
  } finally {
    await client
      .getImage(image)
      .remove()
      .catch(() => undefined);
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Reads the engine's progress of an import to its end.
 *
 * @throws the engine's own error.
 */
async function finished(client: Dockerode, stream: NodeJS.ReadableStream): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    client.modem.followProgress(
      stream,
      (error) => (error ? reject(error) : resolve()),
      (event: { error?: string }) => {
        if (event.error) reject(new Error(event.error));
      },
    );
  });
}
