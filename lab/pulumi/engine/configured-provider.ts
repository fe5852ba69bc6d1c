import { credentials, type ServiceError } from "@grpc/grpc-js";
import type { IResourceProviderClient } from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import { empty, type pluginMessages, providerMessages, providerServices } from "./proto.ts";
import {
  type CheckResult,
  type Diff,
  decodeDiff,
  failuresOf,
  type Target,
  translate,
} from "./provider-answers.ts";
import { markEchoedSecrets, type PropertyMap } from "./values.ts";
import { fromWire, type ToWire, toWire } from "./wire.ts";

// gRPC codes that providers return for configuration calls that they do not implement.
const unimplemented = 12;

const isUnimplemented = (error: unknown) => (error as { code?: number }).code === unimplemented;

/** Options for encoding provider configuration, which is sent before the provider has said which features it supports. */
const plain: ToWire = { keepUnknowns: true, keepSecrets: false, keepResources: false };

interface AboutResource {
  setUrn(urn: string): unknown;
  setName(name: string): unknown;
  setType(type: string): unknown;
}

/** Sets the URN, name and type of the resource in a request. */
export function about<Request extends AboutResource>(request: Request, target: Target): Request {
  request.setUrn(target.urn);
  request.setName(target.name);
  request.setType(target.type);
  return request;
}

/** A provider instance that was started: served over gRPC at an address, or called in this process. `close` ends it. */
export type LaunchedProvider = { close(): Promise<void> } & (
  | { readonly address: string }
  | { readonly stub: IResourceProviderClient }
);

function connect(address: string) {
  return new providerServices.ResourceProviderClient(address, credentials.createInsecure(), {
    "grpc.max_receive_message_length": -1,
    "grpc.max_send_message_length": -1,
    "grpc.max_metadata_size": 1 << 20,
  });
}

/**
 * The connection to one provider instance, and its configuration. Secrets, resource references and unknown
 * values are sent only if the provider supports them; secret marks are restored in its responses.
 */
export class ConfiguredProvider {
  protected readonly client: IResourceProviderClient;
  readonly #launched: LaunchedProvider;
  #configured: Promise<"known" | "unknown"> | undefined;
  protected accepts = { keepSecrets: false, keepResources: false };
  protected supportsPreview = false;

  constructor(launched: LaunchedProvider) {
    this.#launched = launched;
    this.client = "stub" in launched ? launched.stub : connect(launched.address);
  }

  async close(): Promise<void> {
    if (this.client instanceof providerServices.ResourceProviderClient) this.client.close();
    await this.#launched.close();
  }

  /** Promise form of one call of the stub. Calls have no deadline: the provider enforces the request's `timeout`. */
  protected call<Response>(
    label: string,
    start: (done: (error: ServiceError | null, response: Response) => void) => unknown,
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      start((error, response) => (error ? reject(translate(error, label)) : resolve(response)));
    });
  }

  protected wire(keepUnknowns: boolean): ToWire {
    return { keepUnknowns, ...this.accepts };
  }

  protected marked(answer: PropertyMap, given: PropertyMap): PropertyMap {
    return this.accepts.keepSecrets ? answer : markEchoedSecrets(answer, given);
  }

  /** Asks the provider to check its configuration and to fill in defaults. */
  async checkConfig(target: Target, olds: PropertyMap, news: PropertyMap): Promise<CheckResult> {
    const request = about(new providerMessages.CheckRequest(), target);
    request.setOlds(toWire(olds, plain));
    request.setNews(toWire(news, plain));
    try {
      const response = await this.call<InstanceType<typeof providerMessages.CheckResponse>>(
        target.urn,
        (done) => this.client.checkConfig(request, done),
      );
      const inputs = response.getInputs();
      return {
        inputs: inputs ? markEchoedSecrets(fromWire(inputs, { label: target.urn }), news) : {},
        failures: failuresOf(response),
      };
    } catch (error) {
      if (isUnimplemented(error)) return { inputs: news, failures: [] };
      throw error;
    }
  }

  /** The provider's diff of its changed configuration; undefined when the provider does not implement it. */
  async diffConfig(
    target: Target,
    oldInputs: PropertyMap,
    oldOutputs: PropertyMap,
    news: PropertyMap,
  ): Promise<Diff | undefined> {
    const request = about(new providerMessages.DiffRequest(), target);
    request.setOldInputs(toWire(oldInputs, plain));
    request.setOlds(toWire(oldOutputs, plain));
    request.setNews(toWire(news, plain));
    try {
      return decodeDiff(await this.call(target.urn, (done) => this.client.diffConfig(request, done)));
    } catch (error) {
      if (isUnimplemented(error)) return undefined;
      throw error;
    }
  }

  /**
   * Configures the instance. Returns at once, as Pulumi does: an error shows at the first call that needs the provider.
   * With `known` false (a preview with unknown configuration) nothing is sent.
   */
  configure(target: Target, packageName: string, id: string, inputs: PropertyMap, known: boolean): void {
    this.#configured = known ? this.#configure(target, packageName, id, inputs) : Promise.resolve("unknown");
    this.#configured.catch(() => {});
  }

  async #configure(target: Target, packageName: string, id: string, inputs: PropertyMap): Promise<"known"> {
    const request = about(new providerMessages.ConfigureRequest(), target);
    request.setId(id);
    request.setAcceptsecrets(true);
    request.setAcceptresources(true);
    request.setSendsOldInputs(true);
    request.setSendsOldInputsToDelete(true);
    request.setArgs(toWire(inputs, { keepUnknowns: true, keepSecrets: true, keepResources: true }));
    for (const [key, value] of Object.entries(toWire(inputs, plain).toJavaScript())) {
      if (key === "version") continue;
      const text = typeof value === "string" ? value : JSON.stringify(value);
      request.getVariablesMap().set(`${packageName}:config:${key}`, text);
    }
    const response = await this.call<InstanceType<typeof providerMessages.ConfigureResponse>>(
      target.urn,
      (done) => this.client.configure(request, done),
    );
    this.accepts = {
      keepSecrets: response.getAcceptsecrets(),
      keepResources: response.getAcceptresources(),
    };
    this.supportsPreview = response.getSupportspreview();
    return "known";
  }

  /** False in a preview in which the provider's own configuration is unknown. Throws when configuring failed. */
  async isConfigured(): Promise<boolean> {
    return (await this.#configured) === "known";
  }

  /** The provider's own version. */
  async version(): Promise<string> {
    const info = await this.call<InstanceType<typeof pluginMessages.PluginInfo>>("the plugin", (done) =>
      this.client.getPluginInfo(new empty.Empty(), done),
    );
    return info.getVersion();
  }
}
