import pb from "@pulumi/pulumi/proto/provider_pb.js";
import type * as emptyTypes from "google-protobuf/google/protobuf/empty_pb.js";
import { answer } from "./errors.ts";
import {
  decodeProperties,
  encodeLike,
  encodeProperties,
  hasSecret,
  pulumiRequire,
  type Struct,
} from "./property-values.ts";
import type { CheckFailure, DiffResult, LabProvider, Properties, ResourceRef } from "./provider.ts";

const { Empty } = pulumiRequire("google-protobuf/google/protobuf/empty_pb.js") as typeof emptyTypes;

/** Timeout of an operation when the resource sets none: Terraform's default for a resource, in seconds. */
const defaultTimeoutSeconds = 1200;

/** The gRPC calls about resources, each handled by the provider with plain values. */
export function aboutResources(provider: LabProvider, followsSecrets: boolean) {
  /** The outputs of a preview, from the inputs and, in an update, the old outputs. */
  const outputsOf = (outputs: Properties, inputs: Struct | undefined, before?: Struct) =>
    followsSecrets && (hasSecret(inputs) || hasSecret(before))
      ? encodeLike(outputs, inputs, "secret")
      : encodeProperties(outputs);
  /** An engine that calls Handshake assumes that previews are supported; known outputs are the inputs and, in an update,
   * the old outputs. */
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
 * The engine has already restored the old inputs; this is for providers that compare with reported properties, which may
 * be more than the inputs.
 */
function withoutIgnored(diff: DiffResult, ignored: readonly string[]): DiffResult {
  const kept = (property: string) => !ignored.includes(property);
  return { ...diff, changes: diff.changes.filter(kept), replaces: diff.replaces.filter(kept) };
}

/** A difference as a gRPC response. */
export function diffResponse(diff: {
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
