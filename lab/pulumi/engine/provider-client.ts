import { credentials, type ServiceError } from "@grpc/grpc-js";
import { empty, type pluginMessages, providerMessages, providerServices } from "./proto.ts";
import {
  type CheckResult,
  type Diff,
  decodeDiff,
  failuresOf,
  InitFailed,
  type InvokeResult,
  type Target,
  translate,
} from "./provider-answers.ts";
import { containsSecret, markEchoedSecrets, type PropertyMap, Secret } from "./values.ts";
import { fromWire, type ToWire, toWire } from "./wire.ts";

/** How the engine starts a provider: one process or server per configured instance. */
export type Launch = (packageName: string) => Promise<{ address: string; close(): Promise<void> }>;

// gRPC codes that older or smaller providers answer for configuration calls they do not implement.
const unimplemented = 12;

const isUnimplemented = (error: unknown) => (error as { code?: number }).code === unimplemented;

/** Configuration, which has no dialect to agree on yet. */
const plain: ToWire = { keepUnknowns: true, keepSecrets: false, keepResources: false };

interface AboutResource {
  setUrn(urn: string): unknown;
  setName(name: string): unknown;
  setType(type: string): unknown;
}

function about<Request extends AboutResource>(request: Request, target: Target): Request {
  request.setUrn(target.urn);
  request.setName(target.name);
  request.setType(target.type);
  return request;
}

/**
 * One provider instance over gRPC, in the engine's values. It speaks the provider's dialect: secrets, resource references
 * and unknowns go over the wire only as far as the provider accepts them, and answers get the marks back.
 */
export class ProviderClient {
  readonly #client: InstanceType<typeof providerServices.ResourceProviderClient>;
  readonly #close: () => Promise<void>;
  #configured: Promise<"known" | "unknown"> | undefined;
  #accepts = { keepSecrets: false, keepResources: false };
  #supportsPreview = false;

  constructor(address: string, close: () => Promise<void>) {
    this.#client = new providerServices.ResourceProviderClient(address, credentials.createInsecure(), {
      "grpc.max_receive_message_length": -1,
      "grpc.max_send_message_length": -1,
      "grpc.max_metadata_size": 1 << 20,
    });
    this.#close = close;
  }

  async close(): Promise<void> {
    this.#client.close();
    await this.#close();
  }

  /** Promise form of one call of the stub. Calls have no deadline: `timeout` in the request is the provider's to keep. */
  #call<Response>(
    label: string,
    start: (done: (error: ServiceError | null, response: Response) => void) => unknown,
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      start((error, response) => (error ? reject(translate(error, label)) : resolve(response)));
    });
  }

  #wire(keepUnknowns: boolean): ToWire {
    return { keepUnknowns, ...this.#accepts };
  }

  #marked(answer: PropertyMap, given: PropertyMap): PropertyMap {
    return this.#accepts.keepSecrets ? answer : markEchoedSecrets(answer, given);
  }

  /** Lets the provider complete and check its configuration. */
  async checkConfig(target: Target, olds: PropertyMap, news: PropertyMap): Promise<CheckResult> {
    const request = about(new providerMessages.CheckRequest(), target);
    request.setOlds(toWire(olds, plain));
    request.setNews(toWire(news, plain));
    try {
      const response = await this.#call<InstanceType<typeof providerMessages.CheckResponse>>(
        target.urn,
        (done) => this.#client.checkConfig(request, done),
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

  /** What changed configuration means for the provider's resources; undefined when the provider does not say. */
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
      return decodeDiff(await this.#call(target.urn, (done) => this.#client.diffConfig(request, done)));
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
    const response = await this.#call<InstanceType<typeof providerMessages.ConfigureResponse>>(
      target.urn,
      (done) => this.#client.configure(request, done),
    );
    this.#accepts = {
      keepSecrets: response.getAcceptsecrets(),
      keepResources: response.getAcceptresources(),
    };
    this.#supportsPreview = response.getSupportspreview();
    return "known";
  }

  /** False in a preview in which the provider's own configuration is unknown. Throws when configuring failed. */
  async isConfigured(): Promise<boolean> {
    return (await this.#configured) === "known";
  }

  async check(
    target: Target,
    olds: PropertyMap,
    news: PropertyMap,
    preview: boolean,
    randomSeed: Buffer,
  ): Promise<CheckResult> {
    if (!(await this.isConfigured())) return { inputs: news, failures: [] };
    const request = about(new providerMessages.CheckRequest(), target);
    request.setOlds(toWire(olds, this.#wire(preview)));
    request.setNews(toWire(news, this.#wire(preview)));
    request.setRandomseed(randomSeed);
    const response = await this.#call<InstanceType<typeof providerMessages.CheckResponse>>(
      target.urn,
      (done) => this.#client.check(request, done),
    );
    return {
      inputs: this.#marked(fromWire(response.getInputs(), { label: target.urn }), news),
      failures: failuresOf(response),
    };
  }

  /** Undefined in a preview in which the provider's own configuration is unknown. */
  async diff(
    target: Target,
    id: string,
    oldInputs: PropertyMap,
    oldOutputs: PropertyMap,
    news: PropertyMap,
    ignored: readonly string[],
    keepUnknowns: boolean,
  ): Promise<Diff | undefined> {
    if (!(await this.isConfigured())) return undefined;
    const request = about(new providerMessages.DiffRequest(), target);
    request.setId(id);
    request.setOldInputs(toWire(oldInputs, this.#wire(keepUnknowns)));
    request.setOlds(toWire(oldOutputs, this.#wire(keepUnknowns)));
    request.setNews(toWire(news, this.#wire(keepUnknowns)));
    request.setIgnorechangesList([...ignored]);
    return decodeDiff(await this.#call(target.urn, (done) => this.#client.diff(request, done)));
  }

  /** Throws {@link InitFailed} when the resource was created but is not right. */
  async create(
    target: Target,
    inputs: PropertyMap,
    timeoutSeconds: number,
    preview: boolean,
  ): Promise<{ id: string; outputs: PropertyMap }> {
    if (preview && !(await this.isConfigured())) return { id: "", outputs: {} };
    await this.isConfigured();
    if (preview && !this.#supportsPreview) return { id: "", outputs: inputs };
    const request = about(new providerMessages.CreateRequest(), target);
    request.setProperties(toWire(inputs, this.#wire(preview)));
    request.setTimeout(timeoutSeconds);
    request.setPreview(preview);
    const response = await this.#retaining(inputs, () =>
      this.#call<InstanceType<typeof providerMessages.CreateResponse>>(target.urn, (done) =>
        this.#client.create(request, done),
      ),
    );
    const id = response.getId();
    if (id === "" && !preview) throw new Error(`the provider returned no id from create of ${target.urn}`);
    return { id, outputs: this.#marked(fromWire(response.getProperties(), { label: target.urn }), inputs) };
  }

  /** Throws {@link InitFailed} when the resource was changed but is not right. */
  async update(
    target: Target,
    id: string,
    oldInputs: PropertyMap,
    oldOutputs: PropertyMap,
    news: PropertyMap,
    timeoutSeconds: number,
    ignored: readonly string[],
    preview: boolean,
  ): Promise<PropertyMap> {
    if (preview && !(await this.isConfigured())) return {};
    await this.isConfigured();
    if (preview && !this.#supportsPreview) return news;
    const request = about(new providerMessages.UpdateRequest(), target);
    request.setId(id);
    request.setOldInputs(toWire(oldInputs, this.#wire(false)));
    request.setOlds(toWire(oldOutputs, this.#wire(false)));
    request.setNews(toWire(news, this.#wire(preview)));
    request.setTimeout(timeoutSeconds);
    request.setIgnorechangesList([...ignored]);
    request.setPreview(preview);
    const response = await this.#retaining(news, () =>
      this.#call<InstanceType<typeof providerMessages.UpdateResponse>>(target.urn, (done) =>
        this.#client.update(request, done),
      ),
    );
    return this.#marked(fromWire(response.getProperties(), { label: target.urn }), news);
  }

  /** What a partial failure reports gets its secret marks back, as a success does. */
  async #retaining<Result>(given: PropertyMap, work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof InitFailed)) throw error;
      throw new InitFailed(error.id, this.#marked(error.properties, given), error.inputs, error.reasons);
    }
  }

  /** An empty id means that the resource is gone. */
  async read(
    target: Target,
    id: string,
    inputs: PropertyMap,
    outputs: PropertyMap,
  ): Promise<{ id: string; inputs: PropertyMap | undefined; outputs: PropertyMap }> {
    await this.isConfigured();
    const request = about(new providerMessages.ReadRequest(), target);
    request.setId(id);
    request.setInputs(toWire(inputs, this.#wire(false)));
    request.setProperties(toWire(outputs, this.#wire(false)));
    const response = await this.#call<InstanceType<typeof providerMessages.ReadResponse>>(
      target.urn,
      (done) => this.#client.read(request, done),
    );
    const readInputs = response.getInputs();
    return {
      id: response.getId(),
      inputs: readInputs && this.#marked(fromWire(readInputs, { label: target.urn }), inputs),
      outputs: this.#marked(fromWire(response.getProperties(), { label: target.urn }), outputs),
    };
  }

  async delete(
    target: Target,
    id: string,
    inputs: PropertyMap,
    outputs: PropertyMap,
    timeoutSeconds: number,
  ): Promise<void> {
    await this.isConfigured();
    const request = about(new providerMessages.DeleteRequest(), target);
    request.setId(id);
    request.setOldInputs(toWire(inputs, this.#wire(false)));
    request.setProperties(toWire(outputs, this.#wire(false)));
    request.setTimeout(timeoutSeconds);
    await this.#call(target.urn, (done) => this.#client.delete(request, done));
  }

  /** The provider's own version. */
  async version(): Promise<string> {
    const info = await this.#call<InstanceType<typeof pluginMessages.PluginInfo>>("the plugin", (done) =>
      this.#client.getPluginInfo(new empty.Empty(), done),
    );
    return info.getVersion();
  }

  /** Undefined in a preview in which the provider's own configuration is unknown. */
  async invoke(token: string, args: PropertyMap, preview: boolean): Promise<InvokeResult | undefined> {
    if (!(await this.isConfigured())) return undefined;
    const request = new providerMessages.InvokeRequest();
    request.setTok(token);
    request.setArgs(toWire(args, this.#wire(false)));
    request.setPreview(preview);
    const response = await this.#call<InstanceType<typeof providerMessages.InvokeResponse>>(token, (done) =>
      this.#client.invoke(request, done),
    );
    const answer = fromWire(response.getReturn(), { label: token });
    // Which part of the answer came from which argument is unknown, so one secret argument makes all of it secret.
    const secret = !this.#accepts.keepSecrets && containsSecret(args);
    const result = secret
      ? Object.fromEntries(Object.entries(answer).map(([key, value]) => [key, new Secret(value)]))
      : answer;
    return {
      result,
      failures: failuresOf(response),
    };
  }
}
