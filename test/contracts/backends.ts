/** What the providers work on: the lab's cloud, a Docker engine, a PostgreSQL server, or nothing. */
import { generateKeyPairSync } from "node:crypto";
import Dockerode from "dockerode";
import pg from "pg";
import type { PropertyMap } from "../../lab/pulumi/engine/values.ts";
import { startCloud, token } from "../unit/cloud-recording.ts";
import type { Things } from "./format.ts";

/** A backend with the things that the cases need. */
export interface Backend {
  readonly name: string;
  /** The provider's configuration. */
  readonly settings: PropertyMap;
  readonly things: Things;
  close(): Promise<void>;
}

/** Where the backends are that do not come by themselves. */
export interface Places {
  /** A Docker engine that is the manager of a Swarm: `unix:///…`. */
  readonly docker?: string;
  /** A superuser's `postgresql://…`. */
  readonly postgres?: string;
}

/** The names of the things of each backend; a recording has these instead of ids, except for the cloud's numbers. */
export const thingNames: Readonly<Record<string, readonly string[]>> = {
  docker: ["network", "secretId", "secretName", "configId", "configName"],
  postgresql: ["owner", "database"],
  tls: ["privateKey"],
};

/** Undefined when nobody said where it is. */
export async function openBackend(plugin: string, places: Places): Promise<Backend | undefined> {
  switch (plugin) {
    case "hcloud":
      return cloudBackend();
    case "docker":
      return places.docker === undefined ? undefined : dockerBackend(places.docker);
    case "postgresql":
      return places.postgres === undefined ? undefined : postgresBackend(places.postgres);
    case "tls":
      return nothing({ privateKey: newPrivateKey() });
    default:
      return nothing({});
  }
}

function nothing(things: Things): Backend {
  return { name: "none", settings: {}, things, close: async () => {} };
}

function newPrivateKey(): string {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return privateKey.export({ type: "sec1", format: "pem" }).toString();
}

/** A fresh cloud, so that the numbers that it gives are the same each time. */
async function cloudBackend(): Promise<Backend> {
  const cloud = await startCloud();
  const make = async (path: string, key: string, body: object): Promise<number> => {
    const { status, body: answer } = await cloud.call("POST", path, body);
    if (status >= 300) throw new Error(`POST ${path}: ${status} ${JSON.stringify(answer)}`);
    if (answer.action) await cloud.settle(answer.action);
    return Number(answer[key].id);
  };
  const publicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGFub3RoZXJrZXlhbm90aGVya2V5YW5vdGhlcmtleWFu given";
  const sshKey = await make("/ssh_keys", "ssh_key", { name: "given", public_key: publicKey });
  const place = { location: "nbg1" };
  const things = {
    sshKey: String(sshKey),
    primaryIp: await make("/primary_ips", "primary_ip", {
      ...{ name: "given", type: "ipv4", assignee_type: "server", auto_delete: false },
      ...place,
    }),
    firewall: await make("/firewalls", "firewall", { name: "given", rules: [] }),
    volume: await make("/volumes", "volume", { name: "given", size: 10, ...place }),
    server: await make("/servers", "server", {
      name: "given",
      server_type: "cx23",
      image: "debian-12",
      ...place,
    }),
    zone: "given.example",
  };
  await make("/zones", "zone", { name: "given.example", mode: "primary" });
  return {
    name: "the lab's emulation of Hetzner's API",
    settings: { token, endpoint: cloud.url, pollInterval: "20ms" },
    things,
    close: cloud.close,
  };
}

async function dockerBackend(host: string): Promise<Backend> {
  const client = new Dockerode({ socketPath: host.replace("unix://", "") });
  const { Version: version } = await client.version();
  const network = await client.createNetwork({ Name: "contracts-given", Driver: "overlay" });
  const data = Buffer.from("given").toString("base64");
  const secret = await client.createSecret({ Name: "contracts-secret", Data: data });
  const config = await client.createConfig({ Name: "contracts-config", Data: data });
  return {
    name: `Docker ${version}, Swarm`,
    settings: { host },
    things: {
      network: network.id,
      secretId: secret.id,
      secretName: "contracts-secret",
      configId: config.id,
      configName: "contracts-config",
    },
    async close() {
      await network.remove();
      await secret.remove();
      await client.getConfig(config.id).remove();
    },
  };
}

async function postgresBackend(address: string): Promise<Backend> {
  const client = new pg.Client(address);
  await client.connect();
  const { rows } = await client.query("SHOW server_version");
  await client.query("CREATE ROLE contracts_owner");
  await client.query("CREATE DATABASE contracts_database");
  const within = new URL(address);
  within.pathname = "/contracts_database";
  const inside = new pg.Client(within.href);
  await inside.connect();
  await inside.query("CREATE TABLE given_table (); CREATE TABLE other_table ()");
  await inside.end();
  const { hostname, port, username, password } = new URL(address);
  return {
    name: `PostgreSQL ${String(rows[0]?.server_version).replace(/ .*/, "")}`,
    settings: {
      host: hostname,
      port: Number(port || 5432),
      username,
      password: decodeURIComponent(password),
      sslmode: "disable",
    },
    things: { owner: "contracts_owner", database: "contracts_database" },
    async close() {
      await client.query("DROP DATABASE contracts_database");
      await client.query("DROP ROLE contracts_owner");
      await client.end();
    },
  };
}
