import { execFileSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { EdgeKind } from "../../components/edge/kinds.ts";
import * as nginxMain from "../../components/edge/nginx/render-main.ts";
import * as nginxRoutes from "../../components/edge/nginx/render-routes.ts";
import type { Route } from "../../components/edge/route.ts";
import { renderRoutes } from "../../components/edge/traefik/routes.ts";
import { traefik } from "../../components/edge/traefik/traefik.ts";
import type { ImageLab } from "./image-containers.ts";

export interface RunningEdge {
  readonly address: string;
  /** Its first process. */
  readonly pid: number;
  /** What it wrote for fail2ban to read. */
  refused(): Promise<string>;
  /** All that it wrote. */
  log(): Promise<string>;
}
export type StartEdge = (
  images: ImageLab,
  routes: Readonly<Record<string, readonly Route[]>>,
  /** Clients come over IPv6 too. */
  ipv6?: boolean,
) => Promise<RunningEdge>;

/** Starts each kind of edge as a container, with these routes by service, which is the name of its slot too. */
export const edges: Readonly<Record<EdgeKind, StartEdge>> = {
  nginx: startNginx,
  traefik: startTraefik,
};

/** Domains of the routes. */
export const domain = "app.example";
export const other = "auth.app.example";

const sites = [domain, other].map((each) => ({
  domain: each,
  headers: { hstsIncludeSubDomains: true, frames: "deny" } as const,
}));
/** A challenge of ACME that the edge has an answer to. */
export const challenge = "a-challenge_of-ACME";

async function startNginx(
  images: ImageLab,
  routes: Parameters<StartEdge>[1],
  ipv6 = false,
): Promise<RunningEdge> {
  const { folder, put } = folderOf(images, "nginx");
  await put("nginx.conf", nginxMain.renderMain(5, ipv6));
  for (const folderName of ["checks", "limits"]) await put(`${folderName}/none.conf`, "");
  for (const [service, list] of Object.entries(routes)) {
    await put(`upstreams/${service}/${service}.conf`, nginxRoutes.renderUpstream(service, list));
    await put(`limits/${service}.conf`, nginxRoutes.renderLimits(service, list, ipv6));
    for (const each of new Set(list.map((route) => route.domain))) {
      await put(
        `locations/${each}/${service}.conf`,
        nginxRoutes.renderLocations(service, service, each, list, ipv6),
      );
    }
  }
  for (const site of sites) {
    await put(`sites/${site.domain}.conf`, nginxMain.renderSite(site, ipv6));
    await put(`tls/${site.domain}.pem`, selfSigned(site.domain));
  }
  const container = await images.start(await images.pull("nginx", "1.28.3"), {
    Cmd: ["nginx", "-c", `${nginxMain.containerDirectory}/nginx.conf`, "-g", "daemon off;"],
    HostConfig: {
      Binds: [
        `${folder}:${nginxMain.containerDirectory}:ro`,
        `${await challenges(images)}:${nginxMain.challengesDirectory}:ro`,
      ],
    },
  });
  return {
    address: await images.addressOf(container),
    pid: (await container.inspect()).State.Pid,
    // What is served goes to standard output.
    refused: async () => (await container.logs({ stdout: false, stderr: true })).toString(),
    log: async () => (await container.logs({ stdout: true, stderr: true })).toString(),
  };
}

async function startTraefik(
  images: ImageLab,
  routes: Parameters<StartEdge>[1],
  ipv6 = false,
): Promise<RunningEdge> {
  const { folder, put } = folderOf(images, "traefik");
  const files = traefik.configuration({ sites, webSocketGraceSeconds: 5, ipv6 });
  for (const [index, path] of (files.FILES ?? "").split("\n").entries()) {
    await put(path, files[`FILE_${index}`] ?? "");
  }
  await put("dynamic/sites.yml", files.SITES ?? "");
  for (const [service, list] of Object.entries(routes)) {
    await put(`dynamic/${service}.yml`, renderRoutes(service, service, list, ipv6));
  }
  for (const site of sites) await put(`tls/${site.domain}.pem`, selfSigned(site.domain));
  const { containerDirectory, challengesDirectory } = traefik;
  const settings = traefik.container(ipv6);
  const container = await images.start(await images.pull("traefik", "3.6.12"), {
    Entrypoint: settings.commands as string[],
    HostConfig: {
      Sysctls: settings.sysctl as Record<string, string>,
      Binds: [
        `${folder}:${containerDirectory}:ro`,
        `${folder}/plugins:/plugins-local:ro`,
        `${await challenges(images)}:${challengesDirectory}:ro`,
      ],
    },
  });
  return {
    address: await images.addressOf(container),
    pid: (await container.inspect()).State.Pid,
    refused: async () => (await container.logs({ stdout: false, stderr: true })).toString(),
    log: async () => (await container.logs({ stdout: true, stderr: true })).toString(),
  };
}

function folderOf(images: ImageLab, kind: EdgeKind) {
  const folder = join(images.folder, kind);
  const put = async (path: string, content: string) => {
    await mkdir(join(folder, path, ".."), { recursive: true });
    await writeFile(join(folder, path), content);
  };
  return { folder, put };
}

async function challenges(images: ImageLab): Promise<string> {
  const folder = join(images.folder, "challenges");
  await mkdir(join(folder, ".well-known/acme-challenge"), { recursive: true });
  await writeFile(join(folder, ".well-known/acme-challenge", challenge), "the answer");
  return folder;
}

function selfSigned(name: string): string {
  const subject = ["-subj", `/CN=${name}`, "-days", "1", "-keyout", "-", "-nodes"];
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
  return execFileSync("openssl", ["req", "-x509", ...key, ...subject], {
    stdio: ["ignore", "pipe", "ignore"],
  }).toString();
}
