import type { ServiceError } from "@grpc/grpc-js";
import { providerMessages, statusMessages } from "./proto.ts";
import type { PropertyMap } from "./values.ts";
import { fromWire } from "./wire.ts";

/** A resource, as provider calls refer to it. */
export interface Target {
  readonly urn: string;
  readonly type: string;
  readonly name: string;
}

/** Why a provider refuses an input. */
export interface Failure {
  readonly property: string;
  readonly reason: string;
}

/** A provider's answer to a diff. */
export interface Diff {
  readonly changes: "none" | "some" | "unknown";
  readonly changedKeys: readonly string[];
  readonly replaceKeys: readonly string[];
  readonly deleteBeforeReplace: boolean;
  /** Property paths, when the provider gave them; true where the change replaces. */
  readonly detailed: ReadonlyMap<string, boolean> | undefined;
}

/** The resource exists, but its initialization failed (Pulumi's ErrorResourceInitFailed). */
export class InitFailed extends Error {
  readonly id: string;
  readonly properties: PropertyMap;
  readonly inputs: PropertyMap | undefined;
  readonly reasons: readonly string[];
  constructor(
    id: string,
    properties: PropertyMap,
    inputs: PropertyMap | undefined,
    reasons: readonly string[],
  ) {
    super(reasons.join("\n"));
    this.id = id;
    this.properties = properties;
    this.inputs = inputs;
    this.reasons = reasons;
  }
}

const statusDetails = "grpc-status-details-bin";
const initFailedType = "pulumirpc.ErrorResourceInitFailed";

/** The engine's error for a failed call: an {@link InitFailed} when the provider reports one. */
export function translate(error: ServiceError, label: string): Error {
  for (const raw of error.metadata?.get(statusDetails) ?? []) {
    if (typeof raw === "string") continue;
    for (const detail of statusMessages.Status.deserializeBinary(raw).getDetailsList()) {
      if (detail.getTypeName() !== initFailedType) continue;
      const failed = providerMessages.ErrorResourceInitFailed.deserializeBinary(detail.getValue_asU8());
      const inputs = failed.getInputs();
      return new InitFailed(
        failed.getId(),
        fromWire(failed.getProperties(), { label }),
        inputs && fromWire(inputs, { label }),
        failed.getReasonsList(),
      );
    }
  }
  const translated = new Error(error.details || error.message);
  return Object.assign(translated, { code: error.code });
}

/** Inputs with the provider's defaults, or the reasons why they are invalid. */
export interface CheckResult {
  readonly inputs: PropertyMap;
  readonly failures: readonly Failure[];
}

/** The answer of an invoke. */
export interface InvokeResult {
  readonly result: PropertyMap;
  readonly failures: readonly Failure[];
}

/** Reads a provider's answer to a diff. */
export function decodeDiff(response: InstanceType<typeof providerMessages.DiffResponse>): Diff {
  const kinds = providerMessages.PropertyDiff.Kind;
  const replacing = new Set<number>([kinds.ADD_REPLACE, kinds.DELETE_REPLACE, kinds.UPDATE_REPLACE]);
  const detailed = new Map<string, boolean>();
  for (const [path, diff] of response.getDetaileddiffMap().entries()) {
    detailed.set(String(path), replacing.has(diff.getKind()));
  }
  const changes = response.getChanges();
  return {
    changes: changes === 1 ? "none" : changes === 2 ? "some" : "unknown",
    changedKeys: response.getDiffsList(),
    replaceKeys: response.getReplacesList(),
    deleteBeforeReplace: response.getDeletebeforereplace(),
    detailed: response.getHasdetaileddiff() || detailed.size > 0 ? detailed : undefined,
  };
}

interface WithFailures {
  getFailuresList(): { getProperty(): string; getReason(): string }[];
}

/** A provider's failures for inputs or arguments. */
export function failuresOf(response: WithFailures): Failure[] {
  return response
    .getFailuresList()
    .map((failure) => ({ property: failure.getProperty(), reason: failure.getReason() }));
}
