import { setTimeout as sleep } from "node:timers/promises";
import { isObject, type Json, type JsonObject, textOf } from "./deployment.ts";
import { type CloudKind, type CloudObject, cloudKinds } from "./world.ts";

/** Access to the Hetzner Cloud API. */
export interface CloudAccess {
  /** Default Hetzner's own, `https://api.hetzner.cloud/v1`. */
  readonly endpoint?: string;
  readonly token: string;
}

/** How long an action of the cloud may take, in seconds: a server's removal is the slowest. */
const actionDeadlineSeconds = 120;

/** What recovery needs of the Hetzner Cloud API: find by label, and remove. */
export class Cloud {
  readonly #endpoint: string;
  readonly #token: string;

  constructor(access: CloudAccess) {
    this.#endpoint = access.endpoint ?? "https://api.hetzner.cloud/v1";
    this.#token = access.token;
  }

  /** Everything that carries the stack's label. */
  async list(stack: string): Promise<CloudObject[]> {
    const lists = await Promise.all(cloudKinds.map((kind) => this.#listKind(kind, stack)));
    return lists.flat();
  }

  /** Removes an object, its protection first. Succeeds when it is gone. */
  async remove({ kind, id }: CloudObject): Promise<void> {
    const path = `/${kind}s/${id}`;
    if (kind === "server" || kind === "volume" || kind === "primary_ip" || kind === "zone") {
      const off = { delete: false, ...(kind === "server" ? { rebuild: false } : {}) };
      await this.#settle(await this.#send("POST", `${path}/actions/change_protection`, off));
    }
    await this.#settle(await this.#send("DELETE", path));
  }

  /** Removes a record set, `name/TYPE`. Succeeds when it is gone. */
  async removeRecord(zone: string, record: string): Promise<void> {
    const path = record.split("/").map(encodeURIComponent).join("/");
    await this.#settle(await this.#send("DELETE", `/zones/${encodeURIComponent(zone)}/rrsets/${path}`));
  }

  async #listKind(kind: CloudKind, stack: string): Promise<CloudObject[]> {
    const found: CloudObject[] = [];
    const selector = encodeURIComponent(`berth.stack=${stack}`);
    for (let page: number | undefined = 1; page !== undefined; ) {
      const answer: JsonObject =
        (await this.#send("GET", `/${kind}s?label_selector=${selector}&page=${page}&per_page=50`)) ?? {};
      const items: Json | undefined = answer[`${kind}s`];
      for (const item of Array.isArray(items) ? items.filter(isObject) : []) {
        const server = textOf(item, "server");
        const labels = item.labels;
        found.push({
          kind,
          id: textOf(item, "id") ?? "",
          name: textOf(item, "name") ?? "",
          resource: (isObject(labels) && textOf(labels, "berth.resource")) || "",
          ...(kind === "volume" && server !== undefined ? { serverId: server } : {}),
        });
      }
      page = nextPage(answer);
    }
    return found;
  }

  /** Undefined when there is no such thing. */
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

  async #settle(answer: JsonObject | undefined): Promise<void> {
    let action = answer?.action;
    const deadline = Date.now() + actionDeadlineSeconds * 1000;
    while (isObject(action) && action.status === "running") {
      if (Date.now() > deadline) {
        throw new Error(
          `the cloud's action "${textOf(action, "command")}" did not end within ${actionDeadlineSeconds} s`,
        );
      }
      await sleep(300);
      action = (await this.#send("GET", `/actions/${textOf(action, "id")}`))?.action;
    }
    if (!isObject(action) || action.status !== "error") return;
    const reason = isObject(action.error) ? textOf(action.error, "message") : undefined;
    throw new Error(
      `the cloud's action "${textOf(action, "command")}" failed: ${reason ?? "no reason given"}`,
    );
  }
}

function nextPage(answer: JsonObject): number | undefined {
  const meta = answer.meta;
  const pagination = isObject(meta) ? meta.pagination : undefined;
  const next = isObject(pagination) ? pagination.next_page : undefined;
  return typeof next === "number" ? next : undefined;
}
