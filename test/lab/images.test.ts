import { stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type Dockerode from "dockerode";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ask, type ImageLab, openImages, secrets } from "./image-containers.ts";
import { traefikLeftOut } from "./traefik.ts";
import { until } from "./until.ts";

let lab: ImageLab;
let postgres: Dockerode.Container;
const sql = (text: string) => lab.sql(postgres, text);

// The first use of an image builds it.
beforeAll(async () => {
  lab = await openImages("images");
  postgres = await lab.startPostgres();
});
afterAll(() => lab?.close());

describe("the postgres image", () => {
  test("takes the password from a file, arguments from the command, and owns its socket directory", async () => {
    expect(await sql("SHOW max_connections")).toBe("77");
    expect(await sql("SELECT current_user || ' ' || current_database()")).toBe("togather_admin togather");
    const socket = await stat(join(lab.folder, "socket"));
    expect([socket.uid, socket.mode & 0o7777]).toEqual([999, 0o3775]);
    expect(await lab.inside(postgres, "sh", "-c", "ls /var/lib/postgresql/data; ps -o user= -p 1")).toBe(
      "pgdata\npostgres",
    );
  });

  test("wants the right password over the network", async () => {
    const host = await lab.addressOf(postgres);
    const knock = (password: string) =>
      lab.inside(
        postgres,
        "env",
        `PGPASSWORD=${password}`,
        "psql",
        "-h",
        host,
        "-U",
        "togather_admin",
        "-d",
        "togather",
        "-XAtc",
        "SELECT 1",
      );
    expect(await knock(secrets.password)).toBe("1");
    await expect(knock("wrong")).rejects.toThrow("password authentication failed");
    expect(
      await sql("SELECT rolpassword LIKE 'SCRAM-SHA-256%' FROM pg_authid WHERE rolname = 'togather_admin'"),
    ).toBe("t");
  });

  test("brings the extensions and the tools", async () => {
    await sql("CREATE EXTENSION postgis; CREATE EXTENSION vector; CREATE EXTENSION pg_trgm");
    const tools = ["psql", "pg_isready", "pg_dump", "pg_dumpall", "pg_restore", "pg_basebackup", "gzip"];
    for (const tool of tools)
      expect(await lab.inside(postgres, "sh", "-c", `command -v ${tool}`)).toContain(tool);
  });

  test("ends cleanly and keeps its data", async () => {
    await sql("CREATE TABLE kept AS SELECT generate_series(1, 100) AS id");
    const began = Date.now();
    await postgres.stop({ t: 30 });
    expect(Date.now() - began).toBeLessThan(15_000);
    expect((await postgres.inspect()).State.ExitCode).toBe(0);
    await postgres.start();
    await until("Postgres listens", 30, () => lab.inside(postgres, "pg_isready", "-h", "127.0.0.1"));
    expect(await sql("SELECT count(*) FROM kept")).toBe("100");
  });
});

describe("the nginx image", () => {
  test("keeps the official image's contract and has what gapless switches need", async () => {
    const conf = join(lab.folder, "site.conf");
    await writeFile(
      conf,
      `keepalive_min_timeout 10s;
       upstream app { zone app 64k; resolver 127.0.0.11; server ${lab.postgresName}:5432 resolve; keepalive 8; }
       server { listen 8080; http2 on; location = /status { stub_status; } location / { return 200 '"$remote_addr"'; } }`,
    );
    const nginx = await lab.start(await lab.pull("nginx", "1.28.3"), {
      HostConfig: { Binds: [`${conf}:/etc/nginx/conf.d/site.conf:ro`] },
    });
    const address = await lab.addressOf(nginx);
    await until("nginx serves", 10, () => ask(address, "/"));
    const version = await lab.inside(nginx, "sh", "-c", "nginx -V 2>&1");
    expect(version).toContain("nginx version: nginx/1.28.3");
    for (const module of [
      "http_ssl",
      "http_v2",
      "http_realip",
      "http_stub_status",
      "http_gzip_static",
      "stream_ssl",
    ]) {
      expect(version).toContain(`--with-${module}_module`);
    }
    await lab.inside(nginx, "nginx", "-t");
    await lab.inside(nginx, "nginx", "-s", "reload");
    await until("nginx serves", 10, () => ask(address, "/"));
    expect(await lab.inside(nginx, "sh", "-c", "ps -o user= -C nginx | sort -u; command -v curl")).toBe(
      "nginx\nroot\n/usr/bin/curl",
    );
    expect(await lab.logsOf(nginx)).toContain('"GET / HTTP/1.1" 200');
    await nginx.stop({ t: 10 });
    expect((await nginx.inspect()).State.ExitCode).toBe(0);
  });
});

describe.skipIf(traefikLeftOut !== undefined)("the traefik image", () => {
  test("is the version that is asked for, started as it was told to, and sorts lines as they come", async () => {
    const traefik = await lab.start(await lab.pull("traefik", "3.6.12"), {
      Cmd: ["traefik", "--ping=true", "--entryPoints.traefik.address=127.0.0.1:8080"],
    });
    await until("Traefik is healthy", 20, () => lab.inside(traefik, "traefik", "healthcheck", "--ping"));
    expect(await lab.inside(traefik, "traefik", "version")).toMatch(/Version: +3\.6\.12\n/);
    // One that reads in blocks would keep the last lines of a quiet log to itself.
    const sorted = '{ echo one; sleep 3; } | awk "{ print; fflush() }" & sleep 1';
    expect(await lab.inside(traefik, "sh", "-c", `sh -c '${sorted}' >/tmp/x; cat /tmp/x`)).toBe("one");
    await traefik.stop({ t: 10 });
    expect((await traefik.inspect()).State.ExitCode).toBe(0);
  });
});

describe("an image given by hand", () => {
  test("answers by its digest, and the name and version keep their own image", async () => {
    const given = await lab.registry.load("togather/app", "v9.9.9", await lab.pull("nginx", "1.28.3"));
    expect(given.repository).toBe("registry.berth.lab:5000/togather/app");
    expect(given.digest).not.toBe((await lab.registry.resolve("togather/app", "v9.9.9")).digest);
    expect(given.provenance).toContain("given by hand");
    await expect(lab.registry.load("togather/app", "v9.9.8", "no/such-image:1")).rejects.toThrow(
      "the image no/such-image:1 is neither in the lab's engine nor can it be pulled",
    );
    await expect(lab.registry.resolve("no/such", "v1")).rejects.toThrow(
      'the lab has no image "no/such"; it has: connected-repo/api, connected-repo/postgres, gadgetbot/app, gadgetbot/login, gadgetbot/postgres, gadgetbot/zitadel, mfa/app, mfa/postgres, mfa/redis, nginx, postgres, redis, registry, sertantai/auth, sertantai/backend, sertantai/electric, sertantai/enforcement, sertantai/frontend, sertantai/postgres, sertantai/redis, togather/app, togather/postgres, traefik. One of your own: --image no/such=<reference>',
    );
  });
});
