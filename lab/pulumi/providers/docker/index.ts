/**
 * The lab's `docker` provider: Service, Network, Secret and ServiceConfig as in pulumi-docker 5.2, over Docker's API
 * through SSH. Like the real one it connects only when a resource needs it, does not retry, reads back what it created, and compares
 * the inputs with that.
 */

import { autoName, isAutoNamed, notPartOfTheLab, withoutNotes } from "../inputs.ts";
import { configValue, hasUnknown } from "../property-values.ts";
import {
  type LabProvider,
  type Properties,
  type ProviderPackage,
  type ResourceRef,
  unknownValue,
} from "../provider.ts";
import { type RegistryAuth, registryAuths } from "./auth.ts";
import type { Kind } from "./kind.ts";
import { configKind, networkKind, secretKind } from "./objects.ts";
import { serviceKind } from "./service.ts";
import { createDockerApi, createTransport, type DockerApi, DockerError } from "./transport.ts";

const settings = [
  "host",
  "sshOpts",
  "registryAuth",
  "disableDockerDaemonCheck",
  "version",
  "pluginDownloadURL",
];

class DockerProvider implements LabProvider {
  #host: string | undefined;
  #sshOptions: readonly string[] = [];
  #registries: readonly RegistryAuth[] = [];

  async configure(inputs: Properties): Promise<void> {
    for (const key of Object.keys(inputs)) {
      if (!settings.includes(key) && !key.startsWith("__")) {
        throw new Error(
          `docker:${key} is not supported by the lab; use one of: ${settings.slice(0, 4).join(", ")}`,
        );
      }
    }
    const options = configValue(inputs, "sshOpts") ?? [];
    const registries = configValue(inputs, "registryAuth");
    // Settings that are unknown in a preview are required only when the API is used.
    if (inputs.host === unknownValue || hasUnknown(options) || hasUnknown(registries)) {
      return;
    }
    this.#host = String(inputs.host ?? process.env.DOCKER_HOST ?? "unix:///var/run/docker.sock");
    this.#sshOptions = Array.isArray(options) ? options.map(String) : [String(options)];
    this.#registries = registryAuths(registries);
  }

  #api(): DockerApi {
    if (this.#host === undefined) {
      throw new Error("docker: the provider's host or its sshOpts are not known yet");
    }
    return createDockerApi(createTransport(this.#host, this.#sshOptions));
  }

  #kind(type: string): Kind {
    const kinds = [networkKind, secretKind, configKind, serviceKind(this.#registries)];
    const kind = kinds.find((candidate) => candidate.type === type);
    if (!kind) {
      throw notPartOfTheLab(
        type,
        kinds.map((candidate) => candidate.type),
      );
    }
    return kind;
  }

  async check(ref: ResourceRef, news: Properties, olds: Properties | undefined, randomSeed: Buffer) {
    const { inputs, failures } = this.#kind(ref.type).check(withoutNotes(news));
    if (inputs.name !== undefined) {
      return { inputs, failures };
    }
    const name = autoName(ref, isAutoNamed(olds) ? olds : undefined, randomSeed);
    return { inputs: { ...inputs, name, __defaults: ["name"] }, failures };
  }

  async diff(ref: ResourceRef, _id: string, oldInputs: Properties, oldOutputs: Properties, news: Properties) {
    const result = this.#kind(ref.type).diff(withoutNotes(oldInputs), oldOutputs, withoutNotes(news));
    return { ...result, deleteBeforeReplace: !isAutoNamed(news) };
  }

  async create(ref: ResourceRef, inputs: Properties) {
    return this.#kind(ref.type).create(this.#api(), withoutNotes(inputs));
  }

  async read(ref: ResourceRef, id: string, inputs: Properties, outputs: Properties) {
    const found = await this.#kind(ref.type).read(this.#api(), id, withoutNotes(inputs), outputs);
    return found && { ...found, inputs };
  }

  async update(
    ref: ResourceRef,
    id: string,
    oldInputs: Properties,
    _oldOutputs: Properties,
    news: Properties,
  ): Promise<Properties> {
    return this.#kind(ref.type).update(this.#api(), id, withoutNotes(oldInputs), withoutNotes(news));
  }

  async delete(ref: ResourceRef, id: string, _inputs: Properties, outputs: Properties): Promise<void> {
    try {
      await this.#kind(ref.type).remove(this.#api(), id, outputs);
    } catch (error) {
      if (!(error instanceof DockerError && error.status === 404)) {
        throw error;
      }
    }
  }

  async invoke(token: string): Promise<Properties> {
    throw notPartOfTheLab(
      token,
      [networkKind, secretKind, configKind, serviceKind([])].map((kind) => kind.type),
    );
  }
}

/** `docker`, as pulumi-docker 5.2.0 behaves. */
export const dockerPackage: ProviderPackage = {
  name: "docker",
  version: "5.2.0",
  create: () => new DockerProvider(),
};
