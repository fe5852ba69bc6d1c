import { setTimeout as sleep } from "node:timers/promises";
import type { LabHome } from "../home.ts";
import type { FirewallRule, Machines } from "../machine/types.ts";
import type { Progress } from "../progress.ts";
import { ApiError, locked } from "./errors.ts";
import { parseSelector } from "./selector.ts";
import type { ActionRecord, FirewallRecord, ResourceReference, ServerRecord, Store } from "./state.ts";

/** The parts of an action; it is `running` until both are done. */
export interface ActionPlan {
  readonly command: string;
  readonly resources: readonly ResourceReference[];
  /** The slow part. It looks records up by id, because they may have been read again from the file in between. */
  readonly work?: () => Promise<void>;
  /** Changes the state when the work has succeeded; synchronous. */
  readonly done?: () => void;
  /** Changes the state when the work has failed. */
  readonly failed?: () => void;
}

/** What the handlers of all resources share. */
export interface Cloud {
  readonly store: Store;
  readonly machines: Machines;
  readonly home: LabHome;
  readonly progress: Progress;
  /** When set, the next actions fail with this error after their normal duration, without doing their work. */
  lateFailure: { code: string; message: string } | undefined;
  /** Starts an action; call `store.save` afterwards. */
  act(plan: ActionPlan): ActionRecord;
  /** Runs work on one server after earlier work on the same server has ended. */
  onServer<T>(serverId: number, work: () => Promise<T>): Promise<T>;
  /** Applies the current firewall rules to these servers (default: all). */
  applyFirewalls(serverIds?: readonly number[]): Promise<void>;
  /** Resolves when no action is running. */
  settled(): Promise<void>;
}

/** Every action takes at least this long, so that a client that does not wait for it fails. */
const shortestActionMilliseconds = 40;
/** Number of actions that are kept; Hetzner keeps them for some time. */
const keptActions = 500;

export const serverRef = (id: number): ResourceReference => ({ id, type: "server" });

/** Throws `locked` while an action runs on the resource. */
export function mustBeFree(cloud: Cloud, type: string, id: number): void {
  const busy = cloud.store.state.actions.some(
    (action) =>
      action.status === "running" &&
      action.resources.some((resource) => resource.type === type && resource.id === id),
  );
  if (busy) {
    throw locked(`${type} with ID '${id}'`);
  }
}

/** The firewalls that apply to a server, by id or by label selector. */
export function firewallsOf(cloud: Cloud, server: ServerRecord): FirewallRecord[] {
  return cloud.store.state.firewalls.filter((firewall) =>
    firewall.applied_to.some((target) =>
      target.type === "server"
        ? target.server.id === server.id
        : parseSelector(target.label_selector.selector)(server.labels),
    ),
  );
}

/** All rules that apply to a server; undefined when no firewall applies. */
export function rulesOf(cloud: Cloud, server: ServerRecord): readonly FirewallRule[] | undefined {
  const firewalls = firewallsOf(cloud, server);
  if (firewalls.length === 0) {
    return undefined;
  }
  return firewalls.flatMap((firewall) =>
    firewall.rules.map((rule) => ({
      direction: rule.direction,
      protocol: rule.protocol,
      ...(rule.port === null ? {} : { port: rule.port }),
      ips: rule.direction === "in" ? rule.source_ips : rule.destination_ips,
    })),
  );
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export function createCloudCore(
  store: Store,
  machines: Machines,
  home: LabHome,
  progress: Progress = () => {},
): Cloud {
  const queues = new Map<number, Promise<unknown>>();
  const running = new Set<Promise<void>>();

  const finish = (id: number, error: { code: string; message: string } | null) => {
    const action = store.state.actions.find((candidate) => candidate.id === id);
    if (action) {
      action.status = error ? "error" : "success";
      action.progress = 100;
      action.finished = new Date().toISOString();
      action.error = error;
    }
    store.save();
  };

  const cloud: Cloud = {
    store,
    machines,
    home,
    progress,
    lateFailure: undefined,

    act({ command, resources, work, done, failed }) {
      const action: ActionRecord = {
        id: store.nextId(),
        command,
        status: "running",
        progress: 0,
        started: new Date().toISOString(),
        finished: null,
        resources: [...resources],
        error: null,
      };
      store.state.actions = [...store.state.actions, action].slice(-keptActions);
      const failure = cloud.lateFailure;
      const run: Promise<void> = (async () => {
        try {
          await sleep(shortestActionMilliseconds);
          if (failure) {
            throw new ApiError(500, failure.code, failure.message);
          }
          await work?.();
          done?.();
          finish(action.id, null);
        } catch (error) {
          progress(`${command} failed: ${message(error)}`);
          failed?.();
          finish(action.id, {
            code: error instanceof ApiError ? error.code : "action_failed",
            message: message(error),
          });
        }
      })();
      const ended = run
        .catch((error) => progress(`${command}: the state could not be kept: ${message(error)}`))
        .finally(() => running.delete(ended));
      running.add(ended);
      return action;
    },

    onServer(serverId, work) {
      const before = queues.get(serverId) ?? Promise.resolve();
      const mine = before.catch(() => {}).then(work);
      queues.set(serverId, mine);
      return mine;
    },

    async applyFirewalls(serverIds) {
      const ids = serverIds ?? store.state.servers.map((server) => server.id);
      await Promise.all(
        ids.map((id) =>
          cloud.onServer(id, async () => {
            const server = store.state.servers.find((candidate) => candidate.id === id);
            if (server?.status === "running") {
              await machines.setFirewall(id, rulesOf(cloud, server));
            }
          }),
        ),
      );
    },

    async settled() {
      while (running.size > 0) {
        await Promise.all(running);
      }
    },
  };
  return cloud;
}
