import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData, status } from "@grpc/grpc-js";
import type { LogRequest, SetRootResourceRequest } from "@pulumi/pulumi/proto/engine_pb.js";
import type {
  RegisterResourceHookRequest,
  RegisterResourceOutputsRequest,
  RegisterResourceRequest,
  ResourceInvokeRequest,
  SupportsFeatureRequest,
} from "@pulumi/pulumi/proto/resource_pb.js";
import type { Registered } from "./context.ts";
import { empty, engineMessages, engineServices, resourceMessages, resourceServices } from "./proto.ts";
import type { InvokeResult } from "./provider-answers.ts";
import { type Goal, goalOf, Unsupported } from "./registration.ts";
import type { Reporter } from "./reporter.ts";
import { containsUnknown, type PropertyMap } from "./values.ts";
import { fromWire, toWire } from "./wire.ts";

/** The functions of the run that the monitor calls. */
export interface MonitorHandlers {
  register(goal: Goal, hints: ProviderHints): Promise<Registered>;
  registerOutputs(urn: string, outputs: PropertyMap): Promise<void>;
  registerHook(request: RegisterResourceHookRequest): void;
  invoke(token: string, args: PropertyMap, hints: ProviderHints): Promise<InvokeResult>;
  /** The program has sent its last request. Resolves when the run is over. */
  finished(): Promise<void>;
}

/** The parts of a request that decide which provider handles it. */
export interface ProviderHints {
  readonly provider: string;
  readonly providers: ReadonlyMap<string, string>;
  readonly version: string;
  readonly parent: string;
}

/** Facts about the run that a program can request. */
export interface DeploymentFacts {
  readonly project: string;
  readonly stack: string;
  readonly organization: string;
  readonly config: Readonly<Record<string, string>>;
  readonly secretKeys: readonly string[];
  readonly preview: boolean;
  readonly parallel: number;
}

/** The name of the organisation: that of Pulumi's backends without one. */
export const organization = "organization";

const features = resourceMessages.ResourceMonitorFeature;
// Transforms, error hooks, parameterization and so on are left out: the SDK then refuses them by name.
const supported: ReadonlyMap<string, number> = new Map([
  ["secrets", features.RESOURCE_MONITOR_FEATURE_SECRETS],
  ["resourceReferences", features.RESOURCE_MONITOR_FEATURE_RESOURCE_REFERENCES],
  ["outputValues", features.RESOURCE_MONITOR_FEATURE_OUTPUT_VALUES],
  ["aliasSpecs", features.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS],
  ["replacementTrigger", features.RESOURCE_MONITOR_FEATURE_REPLACEMENT_TRIGGER],
  ["deletedWith", features.RESOURCE_MONITOR_FEATURE_DELETED_WITH],
  ["resourceHooks", features.RESOURCE_MONITOR_FEATURE_RESOURCE_HOOKS],
]);

/** The run is over: open requests of the program are answered with this error, on which the SDK ends without a message. */
export class ShuttingDown extends Error {
  constructor() {
    super("resource monitor shut down");
  }
}

type Call<Request> = ServerUnaryCall<Request, unknown>;

function answer<Request, Response>(
  reporter: Reporter,
  work: (request: Request) => Promise<Response> | Response,
) {
  return async (call: Call<Request>, done: sendUnaryData<Response>) => {
    try {
      done(null, await work(call.request));
    } catch (error) {
      const failure = error instanceof Error ? error : new Error(String(error));
      const code =
        failure instanceof ShuttingDown
          ? status.UNAVAILABLE
          : failure instanceof Unsupported
            ? status.FAILED_PRECONDITION
            : status.UNKNOWN;
      done({ code, details: reporter.mask(failure.message) });
    }
  };
}

/** Pulumi's ResourceMonitor and Engine services, for one run of a program. */
export class Monitor {
  readonly #server = new Server({
    "grpc.max_receive_message_length": -1,
    "grpc.max_send_message_length": -1,
  });
  #root = "";

  /** @param ready the handlers, which requests wait for: a program may be started before the state has been read */
  constructor(facts: DeploymentFacts, ready: Promise<MonitorHandlers>, reporter: Reporter) {
    const refuse = (what: string) =>
      answer(reporter, () => {
        throw new Unsupported(what);
      });
    this.#server.addService(resourceServices.ResourceMonitorService, {
      getDeploymentInfo: answer(reporter, () => describe(facts)),
      supportsFeature: answer(reporter, (request: SupportsFeatureRequest) => {
        const response = new resourceMessages.SupportsFeatureResponse();
        response.setHassupport(supported.has(request.getId()));
        return response;
      }),
      registerResource: answer(reporter, async (request: RegisterResourceRequest) =>
        register(request, await ready),
      ),
      registerResourceOutputs: answer(reporter, async (request: RegisterResourceOutputsRequest) => {
        const urn = request.getUrn();
        const outputs = fromWire(request.getOutputs(), { label: `outputs of ${urn}` });
        await (await ready).registerOutputs(urn, outputs);
        return new empty.Empty();
      }),
      invoke: answer(reporter, async (request: ResourceInvokeRequest) => invoke(request, await ready)),
      signalAndWaitForShutdown: answer(reporter, async () => {
        await (await ready).finished();
        return new empty.Empty();
      }),
      call: refuse("methods of remote components (Call)"),
      readResource: refuse("reading existing resources (a resource's static get, StackReference)"),
      existsResource: refuse("asking whether a resource exists"),
      registerPackage: refuse("parameterized packages (RegisterPackage)"),
      registerStackTransform: refuse("stack transforms"),
      registerStackInvokeTransform: refuse("stack invoke transforms"),
      registerResourceHook: answer(reporter, async (request: RegisterResourceHookRequest) => {
        (await ready).registerHook(request);
        return new empty.Empty();
      }),
      registerErrorHook: refuse("error hooks"),
    });
    const severities = ["debug", "info", "warning", "error"] as const;
    this.#server.addService(engineServices.EngineService, {
      log: answer(reporter, (request: LogRequest) => {
        const severity = severities[request.getSeverity()] ?? "info";
        // As Pulumi does without `--debug`: the SDK says more for debugging than anything else.
        if (severity !== "debug") reporter.say(severity, request.getMessage().trimEnd(), request.getUrn());
        return new empty.Empty();
      }),
      getRootResource: answer(reporter, () => {
        const response = new engineMessages.GetRootResourceResponse();
        response.setUrn(this.#root);
        return response;
      }),
      setRootResource: answer(reporter, (request: SetRootResourceRequest) => {
        this.#root = request.getUrn();
        return new engineMessages.SetRootResourceResponse();
      }),
      startDebugging: refuse("debugging the program"),
      requirePulumiVersion: refuse("requirePulumiVersion"),
    });
  }

  /** Listens on a free loopback port and returns the address. */
  listen(): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) =>
        error ? reject(error) : resolve(`127.0.0.1:${port}`),
      );
    });
  }

  close(): void {
    this.#server.forceShutdown();
  }
}

function describe(facts: DeploymentFacts) {
  const info = new resourceMessages.DeploymentInfo();
  info.setProject(facts.project);
  info.setStack(facts.stack);
  info.setOrganization(facts.organization);
  for (const [key, value] of Object.entries(facts.config)) info.getConfigMap().set(key, value);
  info.setConfigsecretkeysList([...facts.secretKeys]);
  info.setDryrun(facts.preview);
  info.setParallel(facts.parallel);
  info.setSupportedfeaturesList([...supported.values()]);
  return info;
}

async function register(request: RegisterResourceRequest, handlers: MonitorHandlers) {
  const { state, outcome } = await handlers.register(goalOf(request), {
    provider: request.getProvider(),
    providers: new Map([...request.getProvidersMap().entries()].map(([key, value]) => [String(key), value])),
    version: request.getVersion(),
    parent: request.getParent(),
  });
  if (outcome !== "success" && !request.getSupportsresultreporting())
    throw new Error("resource registration failed");
  let outputs = request.getCustom() ? state.outputs : {};
  if (!request.getSupportspartialvalues()) {
    outputs = Object.fromEntries(Object.entries(outputs).filter(([, value]) => !containsUnknown(value)));
  }
  const response = new resourceMessages.RegisterResourceResponse();
  response.setUrn(state.urn);
  response.setId(state.id);
  response.setObject(
    toWire(outputs, {
      keepUnknowns: true,
      keepSecrets: request.getAcceptsecrets(),
      keepResources: request.getAcceptresources(),
    }),
  );
  // The SDK treats a skipped resource as a failed one.
  const { SUCCESS, FAIL } = resourceMessages.Result;
  response.setResult(outcome === "success" ? SUCCESS : FAIL);
  return response;
}

async function invoke(request: ResourceInvokeRequest, handlers: MonitorHandlers) {
  const token = request.getTok();
  const { result, failures } = await handlers.invoke(token, fromWire(request.getArgs(), { label: token }), {
    provider: request.getProvider(),
    providers: new Map(),
    version: request.getVersion(),
    parent: "",
  });
  const response = new resourceMessages.ResourceInvokeResponse();
  response.setReturn(
    toWire(result, { keepUnknowns: true, keepSecrets: true, keepResources: request.getAcceptresources() }),
  );
  for (const { property, reason } of failures) {
    const failure = response.addFailures();
    failure.setProperty(property);
    failure.setReason(reason);
  }
  return response;
}
