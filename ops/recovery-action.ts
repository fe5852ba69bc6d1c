import type { PendingOperation, StateResource } from "./deployment.ts";
import type { CloudObject, DockerObject } from "./world.ts";

/** One thing that recovery does, or on purpose does not do. */
export type Action =
  /** Forgets a pending operation: the next `up` does what it left undone. */
  | { readonly kind: "clear"; readonly operation: PendingOperation; readonly why: string }
  /** Records what was created but not written down. */
  | {
      readonly kind: "adopt";
      readonly operation: PendingOperation;
      readonly id: string;
      readonly why: string;
    }
  /** Forgets a resource whose deletion was interrupted after it was gone. */
  | { readonly kind: "forget"; readonly resource: StateResource; readonly why: string }
  | {
      readonly kind: "remove-docker";
      readonly provider: string;
      readonly object: DockerObject;
      readonly why: string;
    }
  | { readonly kind: "remove-cloud"; readonly object: CloudObject; readonly why: string }
  | { readonly kind: "remove-record"; readonly zone: string; readonly record: string; readonly why: string }
  /** Leaves something alone and says so: a person decides. */
  | { readonly kind: "keep"; readonly what: string; readonly why: string };
