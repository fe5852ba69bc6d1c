import type { PendingOperation, StateResource } from "./deployment.ts";
import type { CloudObject, DockerObject } from "./observed.ts";

/** One action of recovery, or a decision to do nothing. */
export type Action =
  /** Removes a pending operation from the state: the next `up` completes it. */
  | { readonly kind: "clear"; readonly operation: PendingOperation; readonly why: string }
  /** Adds to the state what was created but not recorded. */
  | {
      readonly kind: "adopt";
      readonly operation: PendingOperation;
      readonly id: string;
      readonly why: string;
    }
  /** Removes a resource from the state whose deletion was interrupted after it was done. */
  | { readonly kind: "forget"; readonly resource: StateResource; readonly why: string }
  | {
      readonly kind: "remove-docker";
      readonly provider: string;
      readonly object: DockerObject;
      readonly why: string;
    }
  | { readonly kind: "remove-cloud"; readonly object: CloudObject; readonly why: string }
  | { readonly kind: "remove-record"; readonly zone: string; readonly record: string; readonly why: string }
  /** Changes nothing and reports it: a person decides. */
  | { readonly kind: "keep"; readonly what: string; readonly why: string };
