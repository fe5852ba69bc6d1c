import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { edgeRefusal } from "../../components/host/fail2ban.ts";
import { runOnHost, script } from "./host-script.ts";

/** A host's scripts for Traefik, in a real bash; Docker, Traefik's API and the kernel's list of connections are replaced by scripts. */

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "berth-traefik-"));
  mkdirSync(join(folder, "edge/dynamic"), { recursive: true });
});
afterEach(() => rmSync(folder, { recursive: true }));

const functions = script("edge/scripts/functions.sh") + script("edge/traefik/scripts/functions.sh");
const file = (name: string) => join(folder, name);
const read = (name: string) => (existsSync(file(name)) ? readFileSync(file(name), "utf8") : "");

interface World {
  /** What Traefik has loaded beside the name of the reload. */
  readonly loaded?: object;
  /** True when it never loads a change. */
  readonly stuck?: boolean;
  /** Status of the slot on the edge's own port. */
  readonly status?: string;
  /** How often the kernel still shows a connection to the old slot. */
  readonly connections?: number;
  /** The state of the new slot's container. */
  readonly state?: string;
}

/** The programs of a host on which Traefik runs. */
function programs({ loaded = {}, stuck = false, status = "200", connections = 0, state }: World) {
  writeFileSync(file("connections"), String(connections));
  const none = { routers: {}, services: {}, middlewares: {} };
  return {
    docker: `case "$*" in
*"ps --quiet --filter label=berth.role=edge"*) echo edge ;;
*"ps --quiet --filter label=com.docker.swarm.service.name="*) echo "task of $(sed 's/.*name=//; s/ .*//' <<<"$*")" | tr ' ' _ ;;
*"inspect --format {{.State.Pid}}"*) echo 1 ;;
*"inspect --format {{range"*) echo "10.0.1.7 " ;;
*"inspect --format {{.State.Status}}"*) echo "${state ?? "running, healthy"}" ;;
*logs*) echo "2026-01-01 ERR Error while building configuration error=some/file.yml" ;;
esac`,
    // --target 1 --net, then the program.
    nsenter: `shift 3; exec "$@"`,
    ss: `left=$(cat ${file("connections")})
[ "$left" -gt 0 ] || exit 0
echo $((left - 1)) >${file("connections")}
echo "0 0 10.0.1.2:40000 10.0.1.7:3000"`,
    curl: `case "$*" in
*rawdata*) ${stuck ? "echo '{}'" : `jq --argjson more '${JSON.stringify({ ...none, ...loaded })}' '$more * {middlewares: (.http.middlewares | with_entries(.key += "@file"))}' ${file("edge/dynamic/reload.yml")}`} ;;
*) printf %s ${status} ;;
esac`,
    sleep: "exec /bin/sleep 0.01",
  };
}

const parameters = {
  EDGE_KIND: "traefik",
  EDGE_KINDS: "nginx\ntraefik",
  CHECK_PORT: 8081,
  GRACE_SECONDS: 3,
  WORKER_DEADLINE_SECONDS: 18,
  WATCH_SECONDS: 0,
  SERVICE: "app",
  SLOT: "app-new",
  DOMAINS: "app.example",
  ROUTES: '{"url": "http://app-new:3000"}',
  CHECKS: '{"url": "http://app-new:3000", "check": true}',
  CHECK_PATHS: "/app-new_3000",
};

function switches(world: World) {
  const body =
    functions +
    script("edge/scripts/first-requests.sh") +
    script("edge/traefik/scripts/switch.sh").replaceAll("/var/lib/berth/", `${folder}/`);
  return runOnHost(folder, programs(world), { ...parameters, EDGE_DIRECTORY: file("edge") }, body);
}

describe("a switch", () => {
  beforeEach(() => writeFileSync(file("edge/dynamic/app.yml"), '{"url": "http://app-old:3000"}\n\n'));
  const files = () => readdirSync(file("edge/dynamic")).toSorted();

  test("replaces the old routes by the new ones and leaves nothing else", () => {
    expect(switches({})).toMatchObject({ status: 0, stderr: "" });
    expect(read("edge/dynamic/app.yml")).toBe(`${parameters.ROUTES}\n`);
    expect(files()).toEqual(["app.yml", "reload.yml"]);
  });

  test.each([
    [
      "Traefik cannot use a part of it",
      { loaded: { routers: { "check_app_0@file": { error: ["error while parsing rule"] } } } },
      /Traefik cannot use the new configuration:\n {2}check_app_0@file: error while parsing rule\n/,
    ],
    [
      "Traefik does not take the files",
      { stuck: true },
      /Traefik does not take the files in \S+ within 10 seconds: .* ERR Error while building configuration error=some\/file.yml/,
    ],
    [
      "the slot is not reached",
      { status: "502" },
      /the edge does not reach the new slot: \/app-new_3000: 502/,
    ],
  ])("where %s says so and leaves the routes as they were", (_what, world, says) => {
    const { status, stderr } = switches(world);
    expect(status).toBe(1);
    expect(stderr).toMatch(says);
    expect(stderr).toContain("the routes of app stay where they were");
    expect(read("edge/dynamic/app.yml")).toBe('{"url": "http://app-old:3000"}\n\n');
    expect(files()).toEqual(["app.yml", "reload.yml"]);
  });

  test("problems of another service's routes are ignored", () => {
    const loaded = { routers: { "other_0@file": { error: ["middleware does not exist"] } } };
    expect(switches({ loaded })).toMatchObject({ status: 0, stderr: "" });
  });

  test("waits until nothing is open to the old slot", () => {
    expect(switches({ connections: 5 })).toMatchObject({ status: 0, stderr: "" });
    expect(read("connections").trim()).toBe("0");
  });

  test("waits no longer than the grace for what stays open", () => {
    const began = Date.now();
    expect(switches({ connections: 1_000_000 })).toMatchObject({ status: 0, stderr: "" });
    expect(Date.now() - began).toBeGreaterThan(2000);
    expect(Date.now() - began).toBeLessThan(30_000);
    expect(Number(read("connections"))).toBeGreaterThan(0);
  });

  test("switches back from a slot that does not survive its first requests", () => {
    const { status, stderr } = switches({ state: "exited", connections: 1 });
    expect(status).toBe(1);
    expect(stderr).toContain(
      "app-new did not survive its first requests (exited). They go to app-old again.",
    );
    expect(read("edge/dynamic/app.yml")).toBe('{"url": "http://app-old:3000"}\n\n');
  });

  test("to the same slot does not wait", () => {
    writeFileSync(file("edge/dynamic/app.yml"), '{"url": "http://app-new:3000"}\n');
    expect(switches({ connections: 1000 })).toMatchObject({ status: 0, stderr: "" });
    expect(read("connections").trim()).toBe("1000");
  });
});

describe("changing the kind of edge", () => {
  /** Two edges; `healthy` says whether the new one serves. */
  function waits(healthy: boolean, loaded = true) {
    writeFileSync(file("replicas-edge_nginx-1"), "1");
    writeFileSync(file("replicas-edge_traefik-1"), "1");
    const docker = `case "$*" in
"service ls --filter label=berth.resource=edge_nginx"*) echo edge_nginx-1 ;;
"service inspect --format {{with .Spec"*) cat ${folder}/replicas-"\${@: -1}" ;;
"service scale --detach "*) n="\${@: -1}"; echo "$n" >>${file("scaled")}; printf %s "\${n#*=}" >${folder}/replicas-"\${n%=*}" ;;
*"--filter health=healthy"*) echo abc ;;
*"--filter label=com.docker.swarm.service.name="*) ;;
*"ps --quiet --no-trunc"*) echo abc ;;
*Health*) echo ${healthy ? "healthy" : "starting"} ;;
*"service ps"*) echo "Failed  the reason" ;;
esac`;
    const body = `current_container() { echo abc; }\n${functions}${script("edge/scripts/wait.sh")}`;
    const given = { ...parameters, EDGE_DIRECTORY: file("edge"), SERVICE: "edge_traefik-1" };
    const more = {
      nsenter: `shift 3; exec "$@"`,
      curl: `echo '{"routers": ${loaded ? '{"unknown-http@file": {}}' : "{}"}}'`,
      sleep: "exec /bin/sleep 0.01",
    };
    return runOnHost(folder, { docker, ...more }, given, body);
  }

  test("the other kind is stopped, and once", () => {
    expect(waits(true)).toMatchObject({ status: 0, stderr: "" });
    expect(read("scaled")).toBe("edge_nginx-1=0\n");
  });

  test.each([
    ["does not serve", false, true],
    ["could read none of its files", true, false],
  ])("and has them again when the new one %s", (_what, healthy, loaded) => {
    const { status, stderr } = waits(healthy, loaded);
    expect(status).toBe(1);
    expect(stderr).toMatch(/the edge edge_traefik-1 is not healthy after 30 seconds/);
    expect(stderr).toContain("The edge of before, edge_nginx-1, has the ports again.");
    expect(read("scaled")).toBe("edge_nginx-1=0\nedge_traefik-1=0\nedge_nginx-1=1\n");
  });
});

describe("Traefik's log", () => {
  const filter = fileURLToPath(new URL("../../components/edge/traefik/container/log.awk", import.meta.url));
  const sort = (...lines: readonly string[]) => {
    const { stdout, stderr, status } = spawnSync("awk", ["-f", filter], {
      input: `${lines.join("\n")}\n`,
      encoding: "utf8",
    });
    expect(status, stderr).toBe(0);
    return { served: stdout.trimEnd().split("\n"), refused: stderr.trimEnd().split("\n").filter(Boolean) };
  };
  const access = (fields: Readonly<Record<string, unknown>>) => {
    const all = {
      ClientAddr: "198.51.100.7:4242",
      DownstreamContentSize: 12,
      DownstreamStatus: 200,
      Duration: 3_500_000,
      OriginDuration: 3_000_000,
      OriginStatus: 200,
      RequestHost: "app.example",
      RequestMethod: "GET",
      RequestPath: "/",
      RouterName: "app_0@file",
      ServiceAddr: "app-new:3000",
      StartUTC: "2026-01-28T14:30:22.123Z",
      level: "info",
      msg: "",
      time: "2026-01-28T14:30:22Z",
      ...fields,
    };
    return JSON.stringify(all);
  };
  const expression = new RegExp(edgeRefusal.replace("<ADDR>", "(?<address>[0-9a-f.:]+)"));

  test("names things as nginx' does, without the query", () => {
    const { served, refused } = sort(access({ RequestPath: '/a"b\\?key=secret' }), "its own words");
    expect(refused).toEqual([]);
    expect(served[1]).toBe("its own words");
    expect(JSON.parse(served[0] ?? "")).toEqual({
      time: "2026-01-28T14:30:22.123Z",
      client: "198.51.100.7",
      status: 200,
      bytes: 12,
      seconds: 0.004,
      upstreamSeconds: 0.003,
      OriginStatus: 200,
      host: "app.example",
      method: "GET",
      path: '/a"b\\',
      RouterName: "app_0@file",
      upstream: "app-new:3000",
    });
  });

  test.each([
    ["the edge's own refusal", { DownstreamStatus: 403, OriginStatus: undefined }, true],
    ["the edge's own limit", { DownstreamStatus: 429, OriginStatus: 0 }, false],
    ["the service's own 429", { DownstreamStatus: 429, OriginStatus: 429 }, false],
    ["a 404 of the edge", { DownstreamStatus: 404, OriginStatus: undefined }, false],
    [
      "a service's 401 that counts",
      { DownstreamStatus: 401, OriginStatus: 401, RouterName: "app_1_ban_401_404@file" },
      true,
    ],
    [
      "a service's 403 where 401 counts",
      { DownstreamStatus: 403, OriginStatus: 403, RouterName: "app_1_ban_401_404@file" },
      false,
    ],
    [
      "a path that looks like the name of a field",
      { RequestPath: '","RouterName":"x_ban_200@', RequestHost: 'x","OriginStatus":0,"y":"' },
      false,
    ],
    [
      "a refusal whose path says that a service answered",
      { DownstreamStatus: 403, OriginStatus: undefined, RequestPath: '/","OriginStatus":200,"x":"' },
      true,
    ],
  ])("%s", (_what, fields, isRefused) => {
    const { served, refused } = sort(access(fields));
    expect(refused).toHaveLength(isRefused ? 1 : 0);
    const [line = ""] = isRefused ? refused : served;
    expect(JSON.parse(line)).toMatchObject({ client: "198.51.100.7" });
    expect(expression.exec(`host edge: ${line}`)?.groups?.address).toBe(
      /"status":4/.test(line) ? "198.51.100.7" : undefined,
    );
  });
});
