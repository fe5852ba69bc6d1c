import { setTimeout as sleep } from "node:timers/promises";
import type { Service, Task } from "./engine-types.ts";
import type { DockerApi } from "./transport.ts";

interface Convergence {
  /** Delay before the first check. */
  readonly delayMilliseconds: number;
  readonly timeoutMilliseconds: number;
  /** As written in the inputs, for the message. */
  readonly timeoutText: string;
}

/** The real provider checks every 5 s at first; a shorter interval gives the same result. */
const pollMilliseconds = 1000;
/** The real provider's fixed delay before it first checks an update, so that Swarm has started it. */
const updateDelayMilliseconds = 7000;

/** In the order in which a task goes through them. */
const states = [
  "new",
  "allocated",
  "pending",
  "assigned",
  "accepted",
  "preparing",
  "ready",
  "starting",
  "running",
  "complete",
  "shutdown",
  "failed",
  "rejected",
];
const rank = (state: string) => states.indexOf(state);

async function allRunning(api: DockerApi, service: Service): Promise<boolean> {
  const replicas = service.Spec.Mode.Replicated?.Replicas;
  if (replicas === undefined) {
    throw new Error("no replica count");
  }
  const tasks = await api.send<Task[]>("GET", "/tasks", {
    query: { filters: JSON.stringify({ service: [service.ID], "desired-state": ["running"] }) },
  });
  const bySlot = new Map<number, Task>();
  for (const task of tasks) {
    const other = bySlot.get(task.Slot ?? 0);
    if (!other || rank(task.DesiredState) < rank(other.DesiredState)) {
      bySlot.set(task.Slot ?? 0, task);
    }
  }
  const running = [...bySlot.values()].filter(
    (task) => task.Status.State === "running" && rank(task.DesiredState) <= rank("running"),
  );
  return running.length === replicas;
}

async function waitFor(
  api: DockerApi,
  id: string,
  convergence: Convergence,
  delayMilliseconds: number,
  done: (service: Service) => Promise<boolean>,
): Promise<void> {
  const deadline = Date.now() + convergence.timeoutMilliseconds;
  await sleep(delayMilliseconds);
  while (!(await done(await api.send<Service>("GET", `/services/${id}`)))) {
    if (Date.now() > deadline) {
      throw new Error(`Service with ID (${id}) did not converge after ${convergence.timeoutText}`);
    }
    await sleep(pollMilliseconds);
  }
}

/** Waits until every replica of a new service runs. Throws at its deadline. */
export function convergeCreated(api: DockerApi, id: string, convergence: Convergence): Promise<void> {
  return waitFor(api, id, convergence, convergence.delayMilliseconds, (service) => allRunning(api, service));
}

/** Waits until an update is complete. Throws at the deadline, and as soon as Swarm pauses it or rolls it back. */
export function convergeUpdated(api: DockerApi, id: string, convergence: Convergence): Promise<void> {
  return waitFor(api, id, convergence, updateDelayMilliseconds, async (service) => {
    const { State: state, Message: message } = service.UpdateStatus ?? {};
    switch (state) {
      case "completed":
        return true;
      case "rollback_completed":
      case "paused":
      case "rollback_paused":
        throw new Error(
          `service ${state === "paused" ? "update paused" : state.replace("_", " ")}: ${message}`,
        );
      case "rollback_started":
        return false;
      default:
        return allRunning(api, service);
    }
  });
}
