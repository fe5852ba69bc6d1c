import { setTimeout as sleep } from "node:timers/promises";
import { isObject, type Json, type JsonObject, textOf } from "./deployment.ts";
import { type CloudKind, type CloudObject, cloudKinds } from "./observed.ts";

/** Access to the Hetzner Cloud API. */
export interface CloudAccess {
  /** Default Hetzner's own, `https://api.hetzner.cloud/v1`. */
  readonly endpoint?: string;
  readonly token: string;
}

/** How long an action of the cloud may take, in seconds: a server's removal is the slowest. */
const actionDeadlineSeconds = 120;

/** The properties of a firewall that temporary access uses. */
export interface CloudFirewall {
  readonly id: string;
  readonly name: string;
  /** ISO time. */
  readonly created: string;
  /** Networks that its inbound rules allow. */
  readonly sources: readonly string[];
  /** The resources that it is applied to, in the API's form. */
  readonly appliedTo: readonly JsonObject[];
}

/** The operations of the Hetzner Cloud API that operators' commands need: find by label, remove, and temporary firewalls. */
export class Cloud {
  readonly #endpoint: string;
  readonly #token: string;
  readonly #pollMilliseconds: number;

  /** @param pollMilliseconds how often it asks whether an action has ended; default 300 */
  constructor(access: CloudAccess, pollMilliseconds = 300) {
    this.#endpoint = access.endpoint ?? "https://api.hetzner.cloud/v1";
    this.#token = access.token;
    this.#pollMilliseconds = pollMilliseconds;
  }

  /** Everything that carries the stack's label. */
  async list(stack: string): Promise<CloudObject[]> {
    const lists = await Promise.all(cloudKinds.map((kind) => this.#listKind(kind, stack)));
    return lists.flat();
  }

  /** Removes an object, its protection first. Succeeds when it does not exist. */
  async remove({ kind, id }: CloudObject): Promise<void> {
    const path = `/${kind}s/${id}`;
    if (kind === "server" || kind === "volume" || kind === "primary_ip" || kind === "zone") {
      const off = { delete: false, ...(kind === "server" ? { rebuild: false } : {}) };
      await this.#waitForActions(await this.#send("POST", `${path}/actions/change_protection`, off));
    }
    await this.#waitForActions(await this.#send("DELETE", path));
  }

  /** Removes a record set, `name/TYPE`. Succeeds when it does not exist. */
  async removeRecord(zone: string, record: string): Promise<void> {
    const path = record.split("/").map(encodeURIComponent).join("/");
    await this.#waitForActions(
      await this.#send("DELETE", `/zones/${encodeURIComponent(zone)}/rrsets/${path}`),
    );
  }

  /** The firewalls that carry a label, `key=value`. */
  async firewalls(selector: string): Promise<CloudFirewall[]> {
    const list = (value: Json | undefined) => (Array.isArray(value) ? value.filter(isObject) : []);
    return (await this.#listItems("firewalls", selector)).map((item) => ({
      id: textOf(item, "id") ?? "",
      name: textOf(item, "name") ?? "",
      created: textOf(item, "created") ?? "",
      sources: list(item.rules).flatMap(({ source_ips: ips }) =>
        Array.isArray(ips) ? ips.filter((ip) => typeof ip === "string") : [],
      ),
      appliedTo: list(item.applied_to),
    }));
  }

  /** Creates a firewall and waits until it is applied. The body has the API's format. */
  async createFirewall(body: object): Promise<void> {
    await this.#waitForActions(await this.#send("POST", "/firewalls", body));
  }

  /** Detaches a firewall from everything and removes it. Succeeds when it does not exist. */
  async removeFirewall({ id, appliedTo }: CloudFirewall): Promise<void> {
    const path = `/firewalls/${id}`;
    if (appliedTo.length > 0) {
      const body = { remove_from: appliedTo.map(target) };
      await this.#waitForActions(await this.#send("POST", `${path}/actions/remove_from_resources`, body));
    }
    await this.#send("DELETE", path);
  }

  async #listKind(kind: CloudKind, stack: string): Promise<CloudObject[]> {
    return (await this.#listItems(`${kind}s`, `berth.stack=${stack}`)).map((item) => {
      const server = textOf(item, "server");
      const labels = item.labels;
      return {
        kind,
        id: textOf(item, "id") ?? "",
        name: textOf(item, "name") ?? "",
        resource: (isObject(labels) && textOf(labels, "berth.resource")) || "",
        ...(kind === "volume" && server !== undefined ? { serverId: server } : {}),
      };
    });
  }

  /** Every page of a list that is the same for all projects: `server_types`, `locations`. */
  listAll(name: "server_types" | "locations"): Promise<JsonObject[]> {
    return this.#listItems(name);
  }

  /** Every page of a list. */
  async #listItems(name: string, selector?: string): Promise<JsonObject[]> {
    const found: JsonObject[] = [];
    for (let page: number | undefined = 1; page !== undefined; ) {
      const labels = selector === undefined ? "" : `label_selector=${encodeURIComponent(selector)}&`;
      const query = `${labels}page=${page}&per_page=50`;
      const answer: JsonObject = (await this.#send("GET", `/${name}?${query}`)) ?? {};
      const items = answer[name];
      if (Array.isArray(items)) found.push(...items.filter(isObject));
      page = nextPage(answer);
    }
    return found;
  }

  /** Undefined when the object does not exist. */
  async #send(method: string, path: string, body?: object): Promise<JsonObject | undefined> {
    const response = await fetch(`${this.#endpoint}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.#token}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(30_000),
    }).catch((error: unknown) => {
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
      throw new Error(`${this.#endpoint}: ${cause instanceof Error ? cause.message : String(cause)}`);
    });
    const text = await response.text();
    if (response.status === 404) return undefined;
    const answer = text === "" ? {} : (JSON.parse(text) as Json);
    if (response.ok) return isObject(answer) ? answer : {};
    const error = isObject(answer) && isObject(answer.error) ? answer.error : {};
    throw new Error(
      `the cloud's API refused ${method} ${path.split("?")[0]}: ${response.status} ${textOf(error, "code") ?? ""} ${textOf(error, "message") ?? ""}`.trim(),
    );
  }

  /** Waits for the action of an answer, or for its actions. */
  async #waitForActions(answer: JsonObject | undefined): Promise<void> {
    const several = answer?.actions;
    for (const action of Array.isArray(several) ? several : [answer?.action])
      await this.#waitForAction(action);
  }

  async #waitForAction(begun: Json | undefined): Promise<void> {
    let action = begun;
    const deadline = Date.now() + actionDeadlineSeconds * 1000;
    while (isObject(action) && action.status === "running") {
      if (Date.now() > deadline) {
        throw new Error(
          `the cloud's action "${textOf(action, "command")}" did not end within ${actionDeadlineSeconds} s`,
        );
      }
      await sleep(this.#pollMilliseconds);
      action = (await this.#send("GET", `/actions/${textOf(action, "id")}`))?.action;
    }
    if (!isObject(action) || action.status !== "error") return;
    const reason = isObject(action.error) ? textOf(action.error, "message") : undefined;
    throw new Error(
      `the cloud's action "${textOf(action, "command")}" failed: ${reason ?? "no reason given"}`,
    );
  }
}

/** What a firewall is applied to, in the form for detaching it: without the servers that a selector matches. */
function target(applied: JsonObject): JsonObject {
  const { type, server, label_selector: selector } = applied;
  return type === "server"
    ? { type, server: { id: isObject(server) ? server.id : undefined } }
    : { type, label_selector: selector };
}

function nextPage(answer: JsonObject): number | undefined {
  const meta = answer.meta;
  const pagination = isObject(meta) ? meta.pagination : undefined;
  const next = isObject(pagination) ? pagination.next_page : undefined;
  return typeof next === "number" ? next : undefined;
}
