import { credentials } from "@grpc/grpc-js";
import type { Callback } from "@pulumi/pulumi/proto/callback_pb.js";
import type { RegisterResourceHookRequest } from "@pulumi/pulumi/proto/resource_pb.js";
import { callbackMessages, callbackServices, resourceMessages } from "./proto.ts";
import type { Reporter } from "./reporter.ts";
import type { HookMoment, ResourceState } from "./resource-state.ts";
import type { Step } from "./step.ts";
import { nameOf } from "./urn.ts";
import type { PropertyMap } from "./values.ts";
import { toWire } from "./wire.ts";

const operations = { creating: "Create", updating: "Update", deleting: "Delete" } as const;

type CallbacksClient = InstanceType<typeof callbackServices.CallbacksClient>;

interface Hook {
  readonly callback: Callback;
  readonly onDryRun: boolean;
  readonly ignoreErrors: boolean;
}

/**
 * Functions of the program that the engine calls before and after it creates, updates or deletes a resource. The program
 * serves them (Pulumi's `Callbacks`) for as long as it runs. A hook that fails before a step fails the step; one that
 * fails after it fails the run, although the step is done; with `ignoreErrors` either is a warning.
 */
export class ResourceHooks {
  readonly #preview: boolean;
  readonly #reporter: Reporter;
  readonly #hooks = new Map<string, Hook>();
  readonly #clients = new Map<string, CallbacksClient>();

  constructor(preview: boolean, reporter: Reporter) {
    this.#preview = preview;
    this.#reporter = reporter;
  }

  register(request: RegisterResourceHookRequest): void {
    const name = request.getName();
    const callback = request.getCallback();
    if (name === "" || callback === undefined) throw new Error("a resource hook needs a name and a callback");
    if (this.#hooks.has(name)) throw new Error(`resource hook already registered for name "${name}"`);
    this.#hooks.set(name, {
      callback,
      onDryRun: request.getOnDryRun(),
      ignoreErrors: request.getIgnoreErrors(),
    });
  }

  /** Throws when a hook before the step fails. */
  before(step: Step): Promise<void> {
    return this.#run("Before", step);
  }

  /** Throws when a hook after the step fails. For components they run when the program has registered their outputs. */
  after(step: Step): Promise<void> {
    return this.#run("After", step);
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
  }

  async #run(when: "Before" | "After", step: Step): Promise<void> {
    const operation = operations[step.pending as keyof typeof operations];
    const subject = operation === "Delete" ? step.old : step.new;
    if (operation === undefined || subject === undefined) return;
    const moment = `${when}${operation}` as const;
    for (const name of subject.hooks[moment] ?? []) {
      const hook = this.#hooks.get(name);
      if (hook === undefined) throw new Error(`hook "${name}" was not registered`);
      if (this.#preview && !hook.onDryRun) continue;
      const failure = await this.#call(hook.callback, moment, step, subject);
      if (failure === "") continue;
      if (!hook.ignoreErrors) throw new Error(`${when.toLowerCase()} hook "${name}" failed: ${failure}`);
      this.#reporter.say("warning", `${moment} hook "${name}" failed: ${failure}`, step.urn);
    }
  }

  /** Returns the hook's error; empty when there was none. */
  async #call(callback: Callback, moment: HookMoment, step: Step, subject: ResourceState): Promise<string> {
    const request = new resourceMessages.ResourceHookRequest();
    request.setUrn(step.urn);
    request.setName(nameOf(step.urn));
    request.setType(subject.type);
    request.setId(moment === "BeforeUpdate" ? (step.old?.id ?? "") : subject.id);
    const wire = (map: PropertyMap | undefined) =>
      map && toWire(map, { keepUnknowns: true, keepSecrets: true, keepResources: true });
    const after = moment.startsWith("After");
    // For a replacement's creation there are no old values.
    const old = moment.endsWith("Create") ? undefined : step.old;
    const now = moment.endsWith("Delete") ? undefined : step.new;
    request.setOldInputs(wire(old?.inputs));
    request.setOldOutputs(wire(old?.outputs));
    request.setNewInputs(wire(now?.inputs));
    request.setNewOutputs(after ? wire(now?.outputs) : undefined);
    const invoke = new callbackMessages.CallbackInvokeRequest();
    invoke.setToken(callback.getToken());
    invoke.setRequest(request.serializeBinary());
    const answer = await new Promise<Uint8Array>((resolve, reject) => {
      this.#client(callback.getTarget()).invoke(invoke, (error, response) =>
        error ? reject(error) : resolve(response.getResponse_asU8()),
      );
    });
    return resourceMessages.ResourceHookResponse.deserializeBinary(answer).getError();
  }

  #client(target: string): CallbacksClient {
    let client = this.#clients.get(target);
    if (client === undefined) {
      client = new callbackServices.CallbacksClient(target, credentials.createInsecure(), {
        "grpc.max_receive_message_length": -1,
        "grpc.max_send_message_length": -1,
      });
      this.#clients.set(target, client);
    }
    return client;
  }
}
