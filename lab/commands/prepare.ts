import { ensurePebble } from "../acme/pebble.ts";
import { ensureStore } from "../backups/store.ts";
import { ensureDaemon } from "../daemon/client.ts";
import { ensureDocker, ensureNetwork, findCommand, hasIpv6 } from "../docker/index.ts";
import type { OuterDocker } from "../docker/outer-docker.ts";
import { createRegistry } from "../images/index.ts";
import { ensureMachineImage } from "../machine/index.ts";
import type { Phase } from "../render/phases.ts";
import type { StackConfiguration } from "../stack/check.ts";
import { configureStack, rotateSecrets } from "../stack/configuration.ts";
import { imageKey } from "../stack/overrides.ts";
import type { PlannedStack } from "../stack/planned-stack.ts";
import type { PushedImage } from "../stack/pushes.ts";
import type { LabContext } from "./context.ts";

/** The results of the phases of {@link preparation}. */
export interface Prepared {
  configuration: StackConfiguration | undefined;
  /** The origin of each image, by name and version, for the summary. */
  readonly provenance: Map<string, string>;
}

/** A `--image <image>=<reference>`. */
export interface GivenImage {
  readonly name: string;
  readonly version: string;
  readonly reference: string;
}

/**
 * Checks that this machine and this user can run the lab, before anything is created.
 * @throws everything that is missing, with the commands that install it.
 */
export async function requireMachine(): Promise<void> {
  const problems: string[] = [];
  if (process.platform !== "linux") {
    problems.push(
      `the lab boots machines as Linux containers; this is ${process.platform}. Run it in a Linux machine`,
    );
  } else if (process.getuid?.() !== 0) {
    problems.push(
      "the lab needs root: it makes a network, loop devices and containers with an init system of their own. Run it with: sudo -E npm start",
    );
  }
  const tools = { ssh: "openssh-client", "ssh-keygen": "openssh-client" };
  const packages = new Set<string>();
  for (const [tool, pack] of Object.entries(tools)) {
    if ((await findCommand(tool)) === undefined) packages.add(pack);
  }
  if (packages.size > 0) {
    const names = [...packages].join(" ");
    problems.push(`missing on this machine: ${names}. Install: sudo apt-get install -y ${names}`);
  }
  if (problems.length > 0) throw new Error(problems.join("\n"));
}

/**
 * Parses `--image`: the image of `berth:images` (or the service, `<system>/<service>`) that the reference replaces.
 * @throws when nothing in this run uses such an image.
 */
export function parseImages(planned: PlannedStack, given: readonly string[]): GivenImage[] {
  return given.map((argument) => {
    const [target = "", ...rest] = argument.split("=");
    const reference = rest.join("=");
    const use = planned.images.find(({ name, service }) => [name, service].includes(target));
    if (use === undefined || reference === "") {
      const names = planned.images.map(({ name }) => name);
      const example = planned.images.find(({ service }) => service !== undefined)?.name ?? names[0];
      throw new Error(
        `--image: "${argument}" is invalid; use <image>=<reference>, where <image> is one of ${names.join(", ")}; for example --image ${example}=my-build:latest`,
      );
    }
    return { name: use.name, version: use.version, reference };
  });
}

/** The phases of every run: Docker, images, cloud, and the resulting configuration. */
export function preparation(
  context: LabContext,
  planned: PlannedStack,
  options: { readonly image?: readonly string[]; readonly rotate?: readonly string[] },
): { readonly phases: Phase[]; readonly prepared: Prepared } {
  const { home } = context;
  const given = parseImages(planned, options.image ?? []);
  const prepared: Prepared = { configuration: undefined, provenance: new Map() };
  const images = new Map<string, PushedImage>();
  let docker: OuterDocker | undefined;
  const phases: Phase[] = [
    {
      title: "Docker and the machine image",
      async run(progress) {
        docker = await ensureDocker(home, progress);
        await ensureNetwork(docker, home).catch((error: Error) => {
          if (!/overlap/i.test(error.message)) throw error;
          throw new Error(
            `another network of this machine already has ${home.subnet}: another lab, or one of Docker's. Choose another for this lab, as in BERTH_LAB_SUBNET=198.18.77.0/24`,
          );
        });
        if (!hasIpv6()) progress("this machine's kernel has no IPv6: hosts are rehearsed without it");
        for (const image of planned.machineImages) await ensureMachineImage(docker, home, image, progress);
      },
    },
    {
      title: "Images of the services",
      async run(progress) {
        const registry = await createRegistry(docker ?? (await ensureDocker(home, progress)), home, progress);
        for (const { name, version, pushed } of planned.images) {
          const own = given.find((image) => image.name === name && image.version === version);
          if (own === undefined && pushed !== undefined) {
            images.set(imageKey(name, version), pushed);
            prepared.provenance.set(`${name} ${version}`, `built on its host, in ${pushed.repository}`);
            continue;
          }
          progress(`${name} ${version}${own === undefined ? "" : ` from ${own.reference}`}`);
          const image = own
            ? await registry.load(name, version, own.reference)
            : await registry.resolve(name, version);
          images.set(imageKey(name, version), image);
          prepared.provenance.set(`${name} ${version}`, image.provenance);
        }
      },
    },
    {
      title: "Cloud, registry and DNS of the lab",
      async run(progress) {
        await ensureDaemon(home, progress);
        if (planned.request.acme) await ensurePebble(home, progress);
        rotateSecrets(planned, options.rotate ?? [], home);
        prepared.configuration = await configureStack(planned, images, home);
        if (planned.request.backups) {
          const { config } = prepared.configuration;
          const accessKeyId = config["berth:backupsAccessKeyId"] ?? "";
          const secretAccessKey = config["berth:backupsSecretAccessKey"] ?? "";
          await ensureStore(home, { accessKeyId, secretAccessKey }, progress);
        }
      },
    },
  ];
  return { phases, prepared };
}
