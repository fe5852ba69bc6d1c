/**
 * A {@link LabProvider} as Pulumi's `ResourceProvider`: over gRPC for a real `pulumi` with `PULUMI_DEBUG_PROVIDERS=<name>:<port>`,
 * and without a server for the lab's engine, which runs in the same process.
 */
import {
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import pluginPb from "@pulumi/pulumi/proto/plugin_pb.js";
import providerGrpc from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import pb from "@pulumi/pulumi/proto/provider_pb.js";
import type * as emptyTypes from "google-protobuf/google/protobuf/empty_pb.js";
import { answer } from "./errors.ts";
import { withoutNotes } from "./inputs.ts";
import {
  changedKeys,
  decodeProperties,
  encodeLike,
  encodeProperties,
  hasSecret,
  pulumiRequire,
} from "./property-values.ts";
import type { LabProvider, ProviderPackage } from "./provider.ts";
import { aboutResources, diffResponse } from "./serve-resources.ts";

const { Empty } = pulumiRequire("google-protobuf/google/protobuf/empty_pb.js") as typeof emptyTypes;

/** A provider with operations to stop when the engine is interrupted or its server is closed. */
export interface CancellableProvider extends LabProvider {
  /** Ends child processes and open connections, so that running operations fail. */
  cancel(): Promise<void>;
}

/**
 * A package whose real plugin makes every output secret as soon as one input is, because any output may contain
 * any input. Their outputs are wrapped here; the providers themselves handle plain values only. An output that repeats an input is
 * secret if that input is.
 */
export interface SecretFollowingPackage extends ProviderPackage {
  readonly outputsFollowSecrets: true;
}

/** A provider served over gRPC on loopback: one server per configured instance. */
export interface ServedProvider {
  readonly address: string;
  close(): Promise<void>;
}

/** The methods of the service for one configured instance; `close` cancels running operations. */
function instanceOf(pkg: ProviderPackage) {
  const provider = pkg.create();
  const followsSecrets = "outputsFollowSecrets" in pkg;
  return {
    methods: {
      ...aboutTheProvider(pkg, provider, followsSecrets),
      ...aboutItsConfiguration(pkg, provider, followsSecrets),
      ...aboutResources(provider, followsSecrets),
    },
    close: () => cancel(provider),
  };
}

/**
 * Starts a server on a free loopback port for one configured instance of `pkg`; `close` cancels running operations and
 * ends the server. A real `pulumi` attaches every provider resource of a package to this one port: the settings of the last one then
 * apply to all, so a stack with two provider resources of one package needs the lab's engine.
 */
export async function serveProvider(pkg: ProviderPackage): Promise<ServedProvider> {
  const { methods, close } = instanceOf(pkg);
  const server = new Server({
    "grpc.max_receive_message_length": -1,
    "grpc.max_send_message_length": -1,
  });
  server.addService(providerGrpc.ResourceProviderService, methods);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error
        ? reject(new Error(`provider ${pkg.name}: cannot listen on loopback: ${error.message}`))
        : resolve(bound),
    );
  });
  return {
    address: `127.0.0.1:${port}`,
    close: async () => {
      await close();
      server.forceShutdown();
    },
  };
}

/**
 * An instance of `pkg` for an engine in this process, with the interface of a client: messages are handed over as they are, not written and
 * read again.
 */
export function provideInProcess(pkg: ProviderPackage) {
  const { methods, close } = instanceOf(pkg);
  const calls = Object.entries(methods).map(([name, method]) => {
    const call = (request: never, done: (error: ServiceError | null, response?: unknown) => void) =>
      method({ request } as ServerUnaryCall<never, never>, (error, response) =>
        error ? done(Object.assign(new Error(), error as ServiceError)) : done(null, response),
      );
    return [name, call];
  });
  return { stub: Object.fromEntries(calls) as providerGrpc.IResourceProviderClient, close };
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
    parameterize: refuse(`the lab's ${pkg.name} provider is not parameterized`),
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
    // The message is returned unchanged: only here are secrets wrapped, and they must stay wrapped in the state.
    checkConfig: answer<pb.CheckRequest, pb.CheckResponse>(async (request) => {
      const inputs = request.getNews() ?? encodeProperties({});
      const notes = encodeProperties(pkg.settingsNotes ?? {}).getFieldsMap();
      for (const [key, note] of notes.entries()) inputs.getFieldsMap().set(key, note);
      return new pb.CheckResponse().setInputs(inputs);
    }),
    // A real plugin may have written the state: its metadata (`__pulumi-go-provider-version`) is not a setting.
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

function refuse(message: string): handleUnaryCall<unknown, unknown> {
  return (_call, callback) => callback({ code: status.UNIMPLEMENTED, details: message });
}

async function cancel(provider: LabProvider): Promise<void> {
  if ("cancel" in provider) await (provider as CancellableProvider).cancel();
}
