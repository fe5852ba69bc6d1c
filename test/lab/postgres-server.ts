import pg from "pg";
import {
  ensureDocker,
  ensureNetwork,
  labLabels,
  networkName,
  removeNetwork,
} from "../../lab/docker/index.ts";
import { createRegistry } from "../../lab/images/index.ts";
import { type LabName, ownHome } from "./own-lab.ts";
import { until } from "./until.ts";

/** A PostgreSQL server for one test file: the lab's image, in a container on a separate network. */
export interface PostgresTestServer {
  readonly host: string;
  readonly port: number;
  readonly password: string;
  /** Its container, and the engine that runs it, as the docker command takes them. */
  readonly container: string;
  readonly dockerHost: string;
  /** By digest, as another one can be started from it. */
  readonly image: string;
  /** Runs one statement as the superuser and gives back its rows. */
  query(statement: string, database?: string): Promise<Record<string, unknown>[]>;
  /** Connects as any user; throws PostgreSQL's error. */
  login(user: string, password: string, database: string): Promise<void>;
  stop(): Promise<void>;
}

const startSeconds = 60;

/**
 * @param lab whose network it gets
 * @param labels of its container, beside the lab's
 */
export async function startPostgres(
  lab: LabName,
  labels: Readonly<Record<string, string>> = {},
): Promise<PostgresTestServer> {
  const home = ownHome(lab);
  const progress = (message: string) => process.stdout.write(`  ${message}\n`);
  const docker = await ensureDocker(home, progress);
  await ensureNetwork(docker, home);
  const registry = await createRegistry(docker, home, progress);
  const server = await registry.listen({ host: "127.0.0.1", port: 0 });
  const { digest } = await registry.resolve("postgres", "17");
  const image = `127.0.0.1:${server.address.split(":")[1]}/postgres@${digest}`;
  const stream = await docker.client.pull(image);
  await new Promise<void>((resolve, reject) => {
    docker.client.modem.followProgress(stream, (error: Error | null) => (error ? reject(error) : resolve()));
  });
  const password = "superuser-of-the-test";
  const container = await docker.client.createContainer({
    Image: image,
    Labels: { ...labLabels(home, "test"), ...labels },
    Env: [`POSTGRES_PASSWORD=${password}`],
    Cmd: ["postgres", "-c", "fsync=off"],
    HostConfig: { NetworkMode: networkName(home) },
  });
  await container.start();
  const { NetworkSettings } = await container.inspect();
  const host = NetworkSettings.Networks[networkName(home)]?.IPAddress ?? "";
  const port = 5432;

  const as = async <T>(
    user: string,
    secret: string,
    database: string,
    work: (client: pg.Client) => Promise<T>,
  ): Promise<T> => {
    const client = new pg.Client({ host, port, user, password: secret, database });
    await client.connect();
    try {
      return await work(client);
    } finally {
      await client.end();
    }
  };
  const login = (user: string, secret: string, database: string) =>
    as(user, secret, database, async () => undefined);
  await until("Postgres answers", startSeconds, async () => {
    await login("postgres", password, "postgres");
    return true;
  });
  return {
    host,
    port,
    password,
    container: container.id,
    image,
    dockerHost: `unix://${docker.socketPath}`,
    login,
    query: (statement, database = "postgres") =>
      as("postgres", password, database, async (client) => (await client.query(statement)).rows),
    async stop() {
      await container.remove({ force: true, v: true });
      await server.close();
      await docker.client.getImage(image).remove();
      await removeNetwork(docker, home);
    },
  };
}
