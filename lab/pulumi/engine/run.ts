export type StepOp =
  | "same"
  | "create"
  | "update"
  | "delete"
  | "replace"
  | "create-replacement"
  | "delete-replaced"
  | "refresh"
  | "read"
  | "import";

/** The engine events that the lab renders and tests: a subset of Pulumi's (`--event-log`, `pulumi … --json`). */
export type EngineEvent =
  | {
      readonly kind: "step-started";
      readonly op: StepOp;
      readonly urn: string;
      readonly detail?: readonly string[];
    }
  | { readonly kind: "step-done"; readonly op: StepOp; readonly urn: string; readonly seconds: number }
  | { readonly kind: "step-failed"; readonly op: StepOp; readonly urn: string; readonly seconds: number }
  | {
      readonly kind: "diagnostic";
      readonly severity: "info" | "warning" | "error";
      readonly urn?: string;
      readonly message: string;
    };

export interface EngineRun {
  readonly projectDir: string;
  readonly project: string;
  readonly stack: string;
  /** Full keys (`berth:hosts`) to values as Pulumi.<stack>.yaml holds them; objects as JSON text. Secrets decrypted. */
  readonly config: Readonly<Record<string, string>>;
  readonly secretKeys: readonly string[];
  /** The deployment, Pulumi's format version 3. */
  readonly stateFile: string;
  /** For the passphrase secrets provider. */
  readonly passphrase: string;
  /** Environment variables of the program, besides those that the engine sets. */
  readonly env?: Readonly<Record<string, string>>;
  readonly parallel?: number;
  readonly continueOnError?: boolean;
  /** Lets a preview compare with what exists instead of what is recorded, which stays as it is: Pulumi's `preview --refresh`. */
  readonly refresh?: boolean;
  /** Lets `destroy` delete protected resources. Only the lab's destroy sets it. */
  readonly ignoreProtect?: boolean;
  /** The holder of the deploy lock during the run: `user@host`. */
  readonly owner: string;
  readonly onEvent?: (event: EngineEvent) => void;
}

export interface EngineResult {
  readonly ok: boolean;
  /** Steps in the order in which they ended, without `same`. */
  readonly steps: readonly {
    readonly op: StepOp;
    readonly urn: string;
    readonly seconds: number;
    readonly failed: boolean;
  }[];
  readonly diagnostics: readonly {
    readonly severity: "info" | "warning" | "error";
    readonly urn?: string;
    readonly message: string;
  }[];
}

export interface Engine {
  preview(run: EngineRun): Promise<EngineResult>;
  up(run: EngineRun): Promise<EngineResult>;
  refresh(run: EngineRun): Promise<EngineResult>;
  destroy(run: EngineRun): Promise<EngineResult>;
}
