/**
 * Serves a {@link LabProvider} as Pulumi's `ResourceProvider`, for the lab's engine and for a real `pulumi` with
 * `PULUMI_DEBUG_PROVIDERS=<name>:<port>`.
 */
import { type handleUnaryCall, Server, ServerCredentials, status } from "@grpc/grpc-js";
import pluginPb from "@pulumi/pulumi/proto/plugin_pb.js";
import providerGrpc from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import pb from "@pulumi/pulumi/proto/provider_pb.js";
import type * as emptyTypes from "google-protobuf/google/protobuf/empty_pb.js";
import { grpcError } from "./errors.ts";
import { withoutNotes } from "./inputs.ts";
import {
  changedKeys,
  decodeProperties,
  encodeLike,
  encodeProperties,
  hasSecret,
  pulumiRequire,
  type Struct,
} from "./property-values.ts";
import type {
  CheckFailure,
  DiffResult,
  LabProvider,
  Properties,
  ProviderPackage,
  ResourceRef,
} from "./provider.ts";

const { Empty } = pulumiRequire("google-protobuf/google/protobuf/empty_pb.js") as typeof emptyTypes;

/** A provider that has something to stop when the engine is interrupted or its server is closed. */
export interface CancellableProvider extends LabProvider {
  /** Ends what runs now (child processes, open connections); running operations then fail by themselves. */
  cancel(): Promise<void>;
}

/**
 * A package whose real plugin makes every output secret as soon as one input is, because any output may tell of any
 * input. What its providers say is wrapped here; they themselves see plain values only. An output that repeats an input
 * is as secret as that input.
 */
export interface SecretFollowingPackage extends ProviderPackage {
  readonly outputsFollowSecrets: true;
}

/** What an operation gets when the resource sets no timeout: Terraform's default for a resource, in seconds. */
const defaultTimeoutSeconds = 1200;

/** A provider served over gRPC on loopback: one server per configured instance. */
export interface ServedProvider {
  readonly address: string;
  close(): Promise<void>;
}

/**
 * Starts a server on a free loopback port for one configured instance of `pkg`; `close` cancels what still runs and ends
 * the server. A real `pulumi` attaches every provider resource of a package to the one port that it is given: then the
 * settings of the last one hold for all, so a stack with two of a kind needs the lab's engine.
 */
export async function serveProvider(pkg: ProviderPackage): Promise<ServedProvider> {
  const provider = pkg.create();
  const followsSecrets = "outputsFollowSecrets" in pkg;
  const server = new Server({
    "grpc.max_receive_message_length": -1,
    "grpc.max_send_message_length": -1,
  });
  server.addService(providerGrpc.ResourceProviderService, {
    ...aboutTheProvider(pkg, provider, followsSecrets),
    ...aboutItsConfiguration(pkg, provider, followsSecrets),
    ...aboutResources(provider, followsSecrets),
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(new Error(`provider ${pkg.name}: no loopback port: ${error.message}`)) : resolve(bound),
    );
  });
  return {
    address: `127.0.0.1:${port}`,
    close: async () => {
      await cancel(provider);
      server.forceShutdown();
    },
  };
}

function aboutTheProvider(pkg: ProviderPackage, provider: LabProvider, followsSecrets: boolean) {
  return {
    handshake: answer<pb.ProviderHandshakeRequest, pb.ProviderHandshakeResponse>(async () =>
      new pb.ProviderHandshakeResponse()
        .setAcceptSecrets(followsSecrets)
        .setAcceptResources(false)
        .setAcceptOutputs(false),
    ),
    attach: answer<pluginPb.PluginAttach, emptyTypes.Empty>(async () => new Empty()),
    getPluginInfo: answer<emptyTypes.Empty, pluginPb.PluginInfo>(async () =>
      new pluginPb.PluginInfo().setVersion(pkg.version),
    ),
    getSchema: answer<pb.GetSchemaRequest, pb.GetSchemaResponse>(async () =>
      new pb.GetSchemaResponse().setSchema(JSON.stringify({ name: pkg.name, version: pkg.version })),
    ),
    getMapping: answer<pb.GetMappingRequest, pb.GetMappingResponse>(async () => new pb.GetMappingResponse()),
    getMappings: answer<pb.GetMappingsRequest, pb.GetMappingsResponse>(
      async () => new pb.GetMappingsResponse(),
    ),
    parameterize: refuse(`the lab's ${pkg.name} provider takes no parameters`),
    construct: refuse(`the lab's ${pkg.name} provider has no components`),
    call: refuse(`the lab's ${pkg.name} provider has no methods`),
    cancel: answer<emptyTypes.Empty, emptyTypes.Empty>(async () => {
      await cancel(provider);
      return new Empty();
    }),
    invoke: answer<pb.InvokeRequest, pb.InvokeResponse>(async (request) => {
      const args = request.getArgs();
      const result = await provider.invoke(request.getTok(), decodeProperties(args));
      const secret = followsSecrets && hasSecret(args);
      const value = secret ? encodeLike(result, args, "secret") : encodeProperties(result);
      return new pb.InvokeResponse().setReturn(value);
    }),
  };
}

function aboutItsConfiguration(pkg: ProviderPackage, provider: LabProvider, followsSecrets: boolean) {
  return {
    // The message goes back as it came: here alone secrets arrive wrapped, and must stay so in the state.
    checkConfig: answer<pb.CheckRequest, pb.CheckResponse>(async (request) => {
      const inputs = request.getNews() ?? encodeProperties({});
      const notes = encodeProperties(pkg.settingsNotes ?? {}).getFieldsMap();
      for (const [key, note] of notes.entries()) inputs.getFieldsMap().set(key, note);
      return new pb.CheckResponse().setInputs(inputs);
    }),
    // A real plugin may have written the state: what it noted for itself (`__pulumi-go-provider-version`) is no setting.
    diffConfig: answer<pb.DiffRequest, pb.DiffResponse>(async (request) => {
      const olds = withoutNotes(decodeProperties(request.getOldInputs() ?? request.getOlds()));
      const news = withoutNotes(decodeProperties(request.getNews()));
      return diffResponse({ changes: changedKeys(olds, news), replaces: [] });
    }),
    configure: answer<pb.ConfigureRequest, pb.ConfigureResponse>(async (request) => {
      await provider.configure(decodeProperties(request.getArgs()));
      return new pb.ConfigureResponse()
        .setAcceptsecrets(followsSecrets)
        .setAcceptresources(false)
        .setAcceptoutputs(false)
        .setSupportspreview(false);
    }),
  };
}

function aboutResources(provider: LabProvider, followsSecrets: boolean) {
  /** Outputs that come of these inputs and, in an update, of these outputs before. */
  const outputsOf = (outputs: Properties, inputs: Struct | undefined, before?: Struct) =>
    followsSecrets && (hasSecret(inputs) || hasSecret(before))
      ? encodeLike(outputs, inputs, "secret")
      : encodeProperties(outputs);
  /** An engine that shakes hands takes previews for supported; the inputs are what is known of the outputs, and the old
   * outputs what stays of them in an update. */
  const previewed = (inputs: Struct | undefined, olds?: Struct) =>
    outputsOf({ ...decodeProperties(olds), ...decodeProperties(inputs) }, inputs);
  return {
    check: answer<pb.CheckRequest, pb.CheckResponse>(async (request) => {
      const olds = request.getOlds();
      const seed = Buffer.from(request.getRandomseed_asU8());
      const result = await provider.check(
        resourceRef(request),
        decodeProperties(request.getNews()),
        olds === undefined ? undefined : decodeProperties(olds),
        seed,
      );
      return new pb.CheckResponse()
        .setInputs(encodeLike(result.inputs, request.getNews()))
        .setFailuresList((result.failures ?? []).map(checkFailure));
    }),
    diff: answer<pb.DiffRequest, pb.DiffResponse>(async (request) => {
      const oldOutputs = decodeProperties(request.getOlds());
      const oldInputs = request.getOldInputs();
      const diff = await provider.diff(
        resourceRef(request),
        request.getId(),
        oldInputs === undefined ? oldOutputs : decodeProperties(oldInputs),
        oldOutputs,
        decodeProperties(request.getNews()),
      );
      return diffResponse(withoutIgnored(diff, request.getIgnorechangesList()));
    }),
    create: answer<pb.CreateRequest, pb.CreateResponse>(async (request) => {
      const inputs = request.getProperties();
      if (request.getPreview()) return new pb.CreateResponse().setProperties(previewed(inputs));
      const made = await provider.create(
        resourceRef(request),
        decodeProperties(inputs),
        timeoutSeconds(request),
      );
      return new pb.CreateResponse().setId(made.id).setProperties(outputsOf(made.outputs, inputs));
    }),
    read: answer<pb.ReadRequest, pb.ReadResponse>(async (request) => {
      const found = await provider.read(
        resourceRef(request),
        request.getId(),
        decodeProperties(request.getInputs()),
        decodeProperties(request.getProperties()),
      );
      if (found === undefined) return new pb.ReadResponse();
      return new pb.ReadResponse()
        .setId(found.id)
        .setInputs(encodeLike(found.inputs, request.getInputs()))
        .setProperties(encodeLike(found.outputs, request.getProperties()));
    }),
    update: answer<pb.UpdateRequest, pb.UpdateResponse>(async (request) => {
      const news = request.getNews();
      if (request.getPreview()) {
        return new pb.UpdateResponse().setProperties(previewed(news, request.getOlds()));
      }
      const oldOutputs = decodeProperties(request.getOlds());
      const oldInputs = request.getOldInputs();
      const outputs = await provider.update(
        resourceRef(request),
        request.getId(),
        oldInputs === undefined ? oldOutputs : decodeProperties(oldInputs),
        oldOutputs,
        decodeProperties(news),
        timeoutSeconds(request),
      );
      return new pb.UpdateResponse().setProperties(outputsOf(outputs, news, request.getOlds()));
    }),
    delete: answer<pb.DeleteRequest, emptyTypes.Empty>(async (request) => {
      const outputs = decodeProperties(request.getProperties());
      const inputs = request.getOldInputs();
      await provider.delete(
        resourceRef(request),
        request.getId(),
        inputs === undefined ? outputs : decodeProperties(inputs),
        outputs,
        timeoutSeconds(request),
      );
      return new Empty();
    }),
  };
}

/** Turns a function into a handler; what it throws reaches the engine as its message alone. */
function answer<Request, Response>(
  run: (request: Request) => Promise<Response>,
): handleUnaryCall<Request, Response> {
  return (call, callback) => {
    run(call.request).then(
      (response) => callback(null, response),
      (error: unknown) => callback(grpcError(error)),
    );
  };
}

function refuse(message: string): handleUnaryCall<unknown, unknown> {
  return (_call, callback) => callback({ code: status.UNIMPLEMENTED, details: message });
}

async function cancel(provider: LabProvider): Promise<void> {
  if ("cancel" in provider) await (provider as CancellableProvider).cancel();
}

interface AboutResource {
  getUrn(): string;
  getName(): string;
  getType(): string;
}

/** Engines before 3.150 send the URN alone: `urn:pulumi:<stack>::<project>::<parents$type>::<name>`. */
function resourceRef(request: AboutResource): ResourceRef {
  const urn = request.getUrn();
  const [, , types = "", ...name] = urn.split("::");
  return {
    urn,
    type: request.getType() || types.slice(types.lastIndexOf("$") + 1),
    name: request.getName() || name.join("::"),
  };
}

function timeoutSeconds(request: { getTimeout(): number }): number {
  return request.getTimeout() > 0 ? request.getTimeout() : defaultTimeoutSeconds;
}

function checkFailure(failure: CheckFailure): pb.CheckFailure {
  return new pb.CheckFailure().setProperty(failure.property).setReason(failure.reason);
}

/**
 * The engine has put the old inputs back already; this is for providers that compare with what the other side reports, which
 * may hold more than was asked for.
 */
function withoutIgnored(diff: DiffResult, ignored: readonly string[]): DiffResult {
  const kept = (property: string) => !ignored.includes(property);
  return { ...diff, changes: diff.changes.filter(kept), replaces: diff.replaces.filter(kept) };
}

function diffResponse(diff: {
  changes: readonly string[];
  replaces: readonly string[];
  deleteBeforeReplace?: boolean;
}): pb.DiffResponse {
  const { DIFF_SOME, DIFF_NONE } = pb.DiffResponse.DiffChanges;
  return new pb.DiffResponse()
    .setChanges(diff.changes.length > 0 ? DIFF_SOME : DIFF_NONE)
    .setDiffsList([...diff.changes])
    .setReplacesList([...diff.replaces])
    .setDeletebeforereplace(diff.deleteBeforeReplace ?? false);
}
