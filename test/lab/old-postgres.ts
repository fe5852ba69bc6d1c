import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { ensureDocker, labLabels } from "../../lab/docker/index.ts";
import { labHome } from "../../lab/home.ts";
import { ensureDebian } from "../../lab/images/debian.ts";
import { build, hasImage, tryPull } from "../../lab/images/outer.ts";
import { until } from "./until.ts";

/** A PostgreSQL 15 server as one runs elsewhere today: the official image where a registry answers, else Debian 12's package. */
export interface OldPostgres {
  /** What stands before psql and pg_dump. */
  readonly from: string;
  /** Runs statements as the superuser and gives back what psql prints. */
  sql(statements: string, database?: string): Promise<string>;
  stop(): Promise<void>;
}

const official = "postgres:15";
const built = "berth-lab/test-postgres-15";
const binaries = "/usr/lib/postgresql/15/bin";
const dockerfile = `ARG BASE
FROM \${BASE}
ARG DEBIAN_FRONTEND=noninteractive
RUN apt-get update -q \\
 && apt-get install -qy --no-install-recommends postgresql-15 \\
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/archives
ENV PATH=${binaries}:/usr/sbin:/usr/bin:/sbin:/bin
USER postgres
CMD ["postgres", "-D", "/var/lib/postgresql/15/main", "-c", "config_file=/etc/postgresql/15/main/postgresql.conf"]
`;

/** @param base the lab whose engine runs it; without a network of its own, so that only \`docker exec\` reaches it */
export async function startOldPostgres(lab: NodeJS.ProcessEnv): Promise<OldPostgres> {
  const home = labHome(lab);
  const progress = (message: string) => process.stdout.write(`  ${message}\n`);
  const docker = await ensureDocker(home, progress);
  const image = (await tryPull(docker, official, progress)) ? official : built;
  if (image === built && !(await hasImage(docker, built))) {
    const base = await ensureDebian(docker, home, "bookworm", "debian:bookworm", progress);
    const folder = await mkdtemp(join(tmpdir(), "berth-old-postgres-"));
    await writeFile(join(folder, "Dockerfile"), dockerfile);
    const args = { BASE: base.reference };
    const job = { folder, tag: built, args, what: "building PostgreSQL 15", deadlineSeconds: 600 };
    await build(docker, job, progress).finally(() => rm(folder, { recursive: true }));
  }
  const container = await docker.client.createContainer({
    Image: image,
    Labels: labLabels(home, "test"),
    Env: ["POSTGRES_HOST_AUTH_METHOD=trust"],
    HostConfig: { NetworkMode: "none" },
  });
  await container.start();
  const words = [
    ...["--host", `unix://${docker.socketPath}`, "exec", "--interactive", "--user", "postgres"],
    container.id,
  ];
  const sql = async (statements: string, database = "postgres") => {
    const psql = ["psql", "-qAt", "-v", "ON_ERROR_STOP=1", "--dbname", database];
    return (await execa("docker", [...words, ...psql], { input: statements })).stdout;
  };
  // The official image's first server, which sets up, takes no connections over TCP.
  await until("the old PostgreSQL answers", 60, async () => {
    await execa("docker", [...words, "pg_isready", "--host", "127.0.0.1"]);
    return true;
  });
  return { from: `docker ${words.join(" ")}`, sql, stop: () => container.remove({ force: true, v: true }) };
}
