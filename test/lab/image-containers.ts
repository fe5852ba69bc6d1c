import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { type Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type Dockerode from "dockerode";
import {
  ensureDocker,
  ensureNetwork,
  labLabels,
  networkName,
  removeNetwork,
  run,
} from "../../lab/docker/index.ts";
import { createRegistry } from "../../lab/images/index.ts";
import { type LabName, ownHome } from "./own-lab.ts";
import { until } from "./until.ts";

/** The images of the lab as containers: a separate registry, network and Postgres, and functions for requests. */

export const secrets = {
  password: "pw-canary-8f14e45fceea167a",
  jwt: "jwt-canary-c9f0f895fb98ab91",
  admin: "admin-canary-45c48cce2e2d7fbd",
};

export type ImageLab = Awaited<ReturnType<typeof openImages>>;

/** @param lab whose network it gets */
export async function openImages(lab: LabName) {
  const home = ownHome(lab);
  const docker = await ensureDocker(home, () => undefined);
  await ensureNetwork(docker, home);
  const registry = await createRegistry(docker, home, (message) => console.info(message));
  const server = await registry.listen({ host: "127.0.0.1", port: 0 });
  const folder = await mkdtemp(join(tmpdir(), "berth-images-"));
  const pulled = new Set<string>();

  /** Pulls an image as a machine does, through the registry's HTTP API, by digest or by tag. */
  async function pull(name: string, version: string, by: "digest" | "tag" = "digest"): Promise<string> {
    const repository = `127.0.0.1:${server.address.split(":")[1]}/${name}`;
    const { digest } = await registry.resolve(name, version);
    const reference = by === "digest" ? `${repository}@${digest}` : `${repository}:${version}`;
    const stream = await docker.client.pull(reference);
    await new Promise<void>((resolve, reject) => {
      docker.client.modem.followProgress(stream, (error: Error | null) =>
        error ? reject(error) : resolve(),
      );
    });
    pulled.add(reference);
    return reference;
  }

  async function start(
    image: string,
    options: Dockerode.ContainerCreateOptions,
  ): Promise<Dockerode.Container> {
    const container = await docker.client.createContainer({
      Image: image,
      Labels: labLabels(home, "test"),
      ...options,
      HostConfig: { NetworkMode: networkName(home), ...options.HostConfig },
    });
    await container.start();
    return container;
  }

  async function addressOf(container: Dockerode.Container): Promise<string> {
    const { NetworkSettings } = await container.inspect();
    return NetworkSettings.Networks[networkName(home)]?.IPAddress ?? "";
  }

  /** The Postgres' name on the network, and in the engine. */
  const postgresName = `${networkName(home)}-postgres`;
  const engine = `unix://${docker.socketPath}`;
  const logsOf = (container: Dockerode.Container) =>
    run("sh", ["-c", 'exec docker -H "$0" logs "$1" 2>&1', engine, container.id]);
  const inside = (container: Dockerode.Container, ...command: string[]) =>
    run("docker", ["-H", engine, "exec", container.id, ...command]);

  return {
    home,
    docker,
    registry,
    folder,
    postgresName,
    pull,
    start,
    addressOf,
    logsOf,
    inside,
    sql: (postgres: Dockerode.Container, text: string) =>
      inside(postgres, "psql", "-U", "togather_admin", "-d", "togather", "-XAtc", text),

    /** Starts Postgres as the program does, on the folders `data` and `socket` of the test's own. */
    async startPostgres(): Promise<Dockerode.Container> {
      await writeFile(join(folder, "password"), `${secrets.password}\n`, { mode: 0o444 });
      // Bind-mounted directories have the host's owner, root.
      await mkdir(join(folder, "data"), { mode: 0o755 });
      await mkdir(join(folder, "socket"), { mode: 0o700 });
      const postgres = await start(await pull("postgres", "17"), {
        name: postgresName,
        Env: [
          "POSTGRES_PASSWORD_FILE=/run/secrets/password",
          "POSTGRES_USER=togather_admin",
          "POSTGRES_DB=togather",
          "PGDATA=/var/lib/postgresql/data/pgdata",
        ],
        Cmd: ["postgres", "-c", "max_connections=77"],
        HostConfig: {
          Binds: [
            `${join(folder, "password")}:/run/secrets/password:ro`,
            `${join(folder, "data")}:/var/lib/postgresql/data`,
            `${join(folder, "socket")}:/var/run/postgresql`,
          ],
        },
      });
      await until("Postgres listens", 60, () => inside(postgres, "pg_isready", "-h", "127.0.0.1")).catch(
        async (error: unknown) => {
          throw new Error(`Postgres did not start:\n${await logsOf(postgres)}`, { cause: error });
        },
      );
      return postgres;
    },

    async close(): Promise<void> {
      await server.close();
      await removeNetwork(docker, home);
      for (const reference of pulled) {
        await docker.client
          .getImage(reference)
          .remove({ force: true })
          .catch(() => undefined);
      }
      await rm(folder, { recursive: true, force: true });
      await rm(home.stateDir, { recursive: true, force: true });
    },
  };
}

/** The exit code of a container. */
export async function exitOf(container: Dockerode.Container, seconds = 20): Promise<number> {
  const late = sleep(seconds * 1000, undefined, { ref: false }).then(() => {
    throw new Error(`the container did not end within ${seconds} s`);
  });
  const ended = container.wait() as Promise<{ StatusCode: number }>;
  return (await Promise.race([ended, late])).StatusCode;
}

export interface Reply {
  readonly status: number;
  readonly body: Record<string, unknown>;
  readonly connection: string;
  readonly retryAfter: string | undefined;
}

/** Sends a request to port 8080 and returns the JSON response. */
export function ask(
  address: string,
  path: string,
  init: { body?: unknown; bearer?: string; agent?: Agent; headers?: Record<string, string> } = {},
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: address,
        port: 8080,
        path,
        method: init.body === undefined ? "GET" : "POST",
        agent: init.agent ?? false,
        timeout: 15_000,
        headers: {
          ...(init.bearer === undefined ? {} : { Authorization: `Bearer ${init.bearer}` }),
          ...init.headers,
        },
      },
      (response) => {
        const parts: Buffer[] = [];
        response.on("data", (part: Buffer) => parts.push(part));
        response.on("error", reject);
        response.on("end", () =>
          resolve({
            status: response.statusCode ?? 0,
            body: parts.length === 0 ? {} : JSON.parse(Buffer.concat(parts).toString()),
            connection: response.headers.connection ?? "",
            retryAfter: response.headers["retry-after"],
          }),
        );
      },
    );
    sent.on("timeout", () => sent.destroy(new Error("no answer within 15 s")));
    sent.on("error", reject);
    sent.end(init.body === undefined ? undefined : JSON.stringify(init.body));
  });
}
