import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createCloud } from "../../lab/cloud/index.ts";
import type { LabHome } from "../../lab/home.ts";
import type { FirewallRule, MachineInfo, MachineSpec, Machines } from "../../lab/machine/types.ts";

/** Machines that record the calls and boot nothing. */
export class RecordingMachines implements Machines {
  readonly calls: string[] = [];
  readonly specs = new Map<number, MachineSpec>();
  readonly running = new Map<number, boolean>();
  readonly rules = new Map<number, readonly FirewallRule[] | undefined>();
  readonly volumes = new Map<number, number | undefined>();
  /** The next call of this name fails. */
  failing: string | undefined;

  private note(name: string, ...values: (string | number | undefined)[]): void {
    this.calls.push([name, ...values].join(" "));
    if (this.failing === name) {
      this.failing = undefined;
      throw new Error(`${name} was made to fail`);
    }
  }
  async boot(spec: MachineSpec): Promise<void> {
    this.note("boot", spec.name);
    this.specs.set(spec.serverId, spec);
    this.running.set(spec.serverId, true);
  }
  async powerOff(id: number): Promise<void> {
    this.note("powerOff", id);
    this.running.set(id, false);
  }
  async powerOn(id: number): Promise<void> {
    this.note("powerOn", id);
    this.running.set(id, true);
  }
  async remove(id: number): Promise<void> {
    this.note("remove", id);
    this.specs.delete(id);
    this.running.delete(id);
  }
  async list(): Promise<MachineInfo[]> {
    return [...this.specs.values()].map(({ name, serverId, address }) => ({
      name,
      serverId,
      address,
      running: this.running.get(serverId) ?? false,
    }));
  }
  async createVolume(id: number, size: number, format?: string): Promise<void> {
    this.note("createVolume", id, size, format);
    this.volumes.set(id, undefined);
  }
  async attachVolume(id: number, server: number): Promise<void> {
    this.note("attachVolume", id, server);
    this.volumes.set(id, server);
  }
  async detachVolume(id: number): Promise<void> {
    this.note("detachVolume", id);
    this.volumes.set(id, undefined);
  }
  async removeVolume(id: number): Promise<void> {
    this.note("removeVolume", id);
    this.volumes.delete(id);
  }
  async growVolume(id: number, size: number): Promise<void> {
    this.note("growVolume", id, size);
  }
  async setFirewall(id: number, rules: readonly FirewallRule[] | undefined): Promise<void> {
    this.note("setFirewall", id);
    this.rules.set(id, rules);
  }
}

export const token = "t".repeat(64);
export const home: LabHome = {
  name: "unit",
  cacheDir: "/nonexistent",
  stateDir: "/nonexistent",
  subnet: "198.18.26.0/24",
  gateway: "198.18.26.1",
};

export interface TestCloud {
  readonly url: string;
  readonly dnsAddress: string;
  readonly machines: RecordingMachines;
  readonly stateFile: string;
  /** Sends a request; returns the status and body of the response. */
  call(
    method: string,
    path: string,
    body?: object,
    bearer?: string,
  ): Promise<{ status: number; body: Json; headers: Headers }>;
  /** Waits for an action; returns its last state. */
  settle(action: Json): Promise<Json>;
  close(): Promise<void>;
}

/** A response of the API, with access to its fields by name. */
export interface Json {
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape are looked into
  [key: string]: any;
}

export async function startCloud(
  machines = new RecordingMachines(),
  stateFile = join(mkdtempSync(join(tmpdir(), "cloud-")), "cloud.json"),
): Promise<TestCloud> {
  const running = await createCloud({
    machines,
    home,
    stateFile,
    token,
    listen: { host: "127.0.0.1", port: 0 },
    dns: { host: "127.0.0.1", port: 0 },
  });
  const call: TestCloud["call"] = async (method, path, body, bearer = token) => {
    const base = path.startsWith("/lab") ? running.url.replace(/\/v1$/, "") : running.url;
    const response = await fetch(base + path, {
      method,
      headers: { Authorization: `Bearer ${bearer}` },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const text = await response.text();
    return {
      status: response.status,
      body: text === "" ? {} : (JSON.parse(text) as Json),
      headers: response.headers,
    };
  };
  return {
    url: running.url,
    dnsAddress: running.dnsAddress ?? "",
    machines,
    stateFile,
    call,
    async settle(action) {
      for (let tries = 0; tries < 200; tries++) {
        const { body } = await call("GET", `/actions/${action.id}`);
        if (body.action.status !== "running") {
          return body.action;
        }
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      throw new Error(`action ${action.id} did not end`);
    },
    close: running.close,
  };
}
