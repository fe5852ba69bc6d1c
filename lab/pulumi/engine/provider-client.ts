import { about, ConfiguredProvider } from "./configured-provider.ts";
import { providerMessages } from "./proto.ts";
import {
  type CheckResult,
  type Diff,
  decodeDiff,
  failuresOf,
  InitFailed,
  type InvokeResult,
  type Target,
} from "./provider-answers.ts";
import { containsSecret, type PropertyMap, Secret } from "./values.ts";
import { fromWire, toWire } from "./wire.ts";

/** The resource calls of one provider instance, with the engine's value types. */
export class ProviderClient extends ConfiguredProvider {
  async check(
    target: Target,
    olds: PropertyMap,
    news: PropertyMap,
    preview: boolean,
    randomSeed: Buffer,
  ): Promise<CheckResult> {
    if (!(await this.isConfigured())) return { inputs: news, failures: [] };
    const request = about(new providerMessages.CheckRequest(), target);
    request.setOlds(toWire(olds, this.wire(preview)));
    request.setNews(toWire(news, this.wire(preview)));
    request.setRandomseed(randomSeed);
    const response = await this.call<InstanceType<typeof providerMessages.CheckResponse>>(
      target.urn,
      (done) => this.client.check(request, done),
    );
    return {
      inputs: this.marked(fromWire(response.getInputs(), { label: target.urn }), news),
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
    request.setOldInputs(toWire(oldInputs, this.wire(keepUnknowns)));
    request.setOlds(toWire(oldOutputs, this.wire(keepUnknowns)));
    request.setNews(toWire(news, this.wire(keepUnknowns)));
    request.setIgnorechangesList([...ignored]);
    return decodeDiff(await this.call(target.urn, (done) => this.client.diff(request, done)));
  }

  /** Throws {@link InitFailed} when the resource was created but its initialization failed. */
  async create(
    target: Target,
    inputs: PropertyMap,
    timeoutSeconds: number,
    preview: boolean,
  ): Promise<{ id: string; outputs: PropertyMap }> {
    if (preview && !(await this.isConfigured())) return { id: "", outputs: {} };
    await this.isConfigured();
    if (preview && !this.supportsPreview) return { id: "", outputs: inputs };
    const request = about(new providerMessages.CreateRequest(), target);
    request.setProperties(toWire(inputs, this.wire(preview)));
    request.setTimeout(timeoutSeconds);
    request.setPreview(preview);
    const response = await this.#retaining(inputs, () =>
      this.call<InstanceType<typeof providerMessages.CreateResponse>>(target.urn, (done) =>
        this.client.create(request, done),
      ),
    );
    const id = response.getId();
    if (id === "" && !preview) throw new Error(`the provider returned no id from create of ${target.urn}`);
    return { id, outputs: this.marked(fromWire(response.getProperties(), { label: target.urn }), inputs) };
  }

  /** Throws {@link InitFailed} when the resource was changed but its initialization failed. */
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
    if (preview && !this.supportsPreview) return news;
    const request = about(new providerMessages.UpdateRequest(), target);
    request.setId(id);
    request.setOldInputs(toWire(oldInputs, this.wire(false)));
    request.setOlds(toWire(oldOutputs, this.wire(false)));
    request.setNews(toWire(news, this.wire(preview)));
    request.setTimeout(timeoutSeconds);
    request.setIgnorechangesList([...ignored]);
    request.setPreview(preview);
    const response = await this.#retaining(news, () =>
      this.call<InstanceType<typeof providerMessages.UpdateResponse>>(target.urn, (done) =>
        this.client.update(request, done),
      ),
    );
    return this.marked(fromWire(response.getProperties(), { label: target.urn }), news);
  }

  /** Restores the secret marks in what a partial failure reports, as after a success. */
  async #retaining<Result>(given: PropertyMap, work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof InitFailed)) throw error;
      throw new InitFailed(error.id, this.marked(error.properties, given), error.inputs, error.reasons);
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
    request.setInputs(toWire(inputs, this.wire(false)));
    request.setProperties(toWire(outputs, this.wire(false)));
    const response = await this.call<InstanceType<typeof providerMessages.ReadResponse>>(target.urn, (done) =>
      this.client.read(request, done),
    );
    const readInputs = response.getInputs();
    return {
      id: response.getId(),
      inputs: readInputs && this.marked(fromWire(readInputs, { label: target.urn }), inputs),
      outputs: this.marked(fromWire(response.getProperties(), { label: target.urn }), outputs),
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
    request.setOldInputs(toWire(inputs, this.wire(false)));
    request.setProperties(toWire(outputs, this.wire(false)));
    request.setTimeout(timeoutSeconds);
    await this.call(target.urn, (done) => this.client.delete(request, done));
  }

  /** Undefined in a preview in which the provider's own configuration is unknown. */
  async invoke(token: string, args: PropertyMap, preview: boolean): Promise<InvokeResult | undefined> {
    if (!(await this.isConfigured())) return undefined;
    const request = new providerMessages.InvokeRequest();
    request.setTok(token);
    request.setArgs(toWire(args, this.wire(false)));
    request.setPreview(preview);
    const response = await this.call<InstanceType<typeof providerMessages.InvokeResponse>>(token, (done) =>
      this.client.invoke(request, done),
    );
    const answer = fromWire(response.getReturn(), { label: token });
    // Which part of the result comes from which argument is unknown, so one secret argument makes all of it secret.
    const secret = !this.accepts.keepSecrets && containsSecret(args);
    const result = secret
      ? Object.fromEntries(Object.entries(answer).map(([key, value]) => [key, new Secret(value)]))
      : answer;
    return {
      result,
      failures: failuresOf(response),
    };
  }
}
