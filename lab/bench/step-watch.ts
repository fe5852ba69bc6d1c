import { type FSWatcher, mkdirSync, readFileSync, watch } from "node:fs";
import { basename, dirname } from "node:path";
import {
  type PendingOperation,
  parseDeployment,
  pendingOperations,
  resourceName,
} from "../../ops/deployment.ts";

/** One operation of an engine, as recorded in the state file: it is pending there from before it starts until it is done. */
export interface WatchedStep {
  readonly operation: PendingOperation["type"];
  readonly urn: string;
  /** Logical name of the resource. */
  readonly name: string;
  /** `docker:index/service:Service`. */
  readonly type: string;
  readonly startedMs: number;
  /** Undefined while it runs, and always when the engine was killed. */
  endedMs?: number;
}

/** The step of the release graph; undefined for every other step. */
export function releaseStep(step: WatchedStep): string | undefined {
  const suffix = /-(pull|snapshot|migration|probe|switch)$/.exec(step.name)?.[1];
  if (step.type === "command:local:Command" && suffix !== undefined && step.operation !== "deleting")
    return suffix;
  if (step.type !== "docker:index/service:Service") return undefined;
  if (step.operation === "creating") return "slot";
  return step.operation === "deleting" ? "removal" : undefined;
}

/**
 * Watches a state file for operations that start and end: every engine records an operation before it starts, so this
 * shows what a crash would leave, for any engine.
 */
export class StepWatch {
  readonly steps: WatchedStep[] = [];
  readonly #file: string;
  readonly #onBegin: (step: WatchedStep) => void;
  readonly #watcher: FSWatcher;
  #running = new Map<string, WatchedStep>();

  /** @param stateFile need not exist yet, nor its folder */
  constructor(stateFile: string, onBegin: (step: WatchedStep) => void = () => undefined) {
    this.#file = stateFile;
    this.#onBegin = onBegin;
    // Operations that an earlier run left pending are not steps of this one.
    this.#look(false);
    const name = basename(stateFile);
    mkdirSync(dirname(stateFile), { recursive: true });
    this.#watcher = watch(dirname(stateFile), (_event, changed) => {
      if (changed === name) this.#look(true);
    });
  }

  close(): void {
    this.#watcher.close();
    this.#look(true);
  }

  #look(report: boolean): void {
    const now = Date.now();
    const pending = readPending(this.#file);
    if (pending === undefined) return;
    const running = new Map<string, WatchedStep>();
    for (const { type, resource } of pending) {
      // Several old resources with one URN may be deleted, so their ids distinguish them; other operations concern one resource, whose
      // id may be known only later.
      const key = `${type} ${resource.urn} ${type === "deleting" ? resource.id : ""}`;
      const known = this.#running.get(key);
      const step = known ?? {
        operation: type,
        urn: resource.urn,
        name: resourceName(resource.urn),
        type: resource.type,
        startedMs: now,
      };
      running.set(key, step);
      if (known === undefined && report) {
        this.steps.push(step);
        this.#onBegin(step);
      }
    }
    for (const [key, step] of this.#running) if (!running.has(key)) step.endedMs = now;
    this.#running = running;
  }
}

/** Undefined when the file is not there (yet). It is replaced atomically, so it is never incomplete. */
function readPending(file: string): readonly PendingOperation[] | undefined {
  try {
    return pendingOperations(parseDeployment(readFileSync(file, "utf8")));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
