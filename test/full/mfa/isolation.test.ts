import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openClient } from "../clients.ts";
import { scenariosOf } from "../search.ts";
import { home, labOk, nameOf, onMachine, ops, service } from "../support.ts";
import { mfaSystem } from "../systems.ts";
import { printTable } from "../tables.ts";
import { type Outside, openOutside } from "./outside.ts";

/** Who reaches whom, asked in the network of each container. */

scenariosOf(mfaSystem);

const services = ["app", "worker", "postgres", "redis"] as const;
/** A container that is on the edge's network alone. */
const onEdge = "berth-test-on-edge";
let outside: Outside;

const container = (of: string) =>
  of === onEdge
    ? `$(docker ps --quiet --filter label=com.docker.swarm.service.name=${onEdge})`
    : `$(docker ps --quiet --filter label=berth.resource=${nameOf(of)} | head -n 1)`;
const inNetworkOf = (of: string) =>
  `sudo nsenter --target "$(docker inspect --format '{{.State.Pid}}' ${container(of)})" --net`;

/** Whether a connection to each address and port comes about within two seconds, from a container's network. */
async function connects(from: string, targets: readonly string[]): Promise<boolean[]> {
  const said = await onMachine(
    `enter=(${inNetworkOf(from)})
for target in ${targets.join(" ")}; do
  if "\${enter[@]}" timeout 2 bash -c "exec 3<>/dev/tcp/\${target%:*}/\${target#*:}" 2>/dev/null; then echo yes; else echo no; fi
done`,
    120,
  );
  return said
    .trim()
    .split("\n")
    .map((line) => line === "yes");
}

/** Every address of a service's container: on its networks, and on the bridge by which some leave the host. */
async function addressesOf(of: string): Promise<string[]> {
  const said = await onMachine(
    `${inNetworkOf(of)} ip -4 -oneline address show scope global | awk '{ sub("/.*", "", $4); print $4 }'`,
  );
  return said.trim().split("\n");
}

beforeAll(async () => {
  outside = await openOutside(60);
  await labOk("up", ...outside.options);
  const network = (await onMachine("docker network ls --filter name=code-edge- --format '{{.Name}}'"))
    .split("\n")
    .find((name) => /^code-edge-[0-9a-f]{7}$/.test(name));
  const image = await onMachine(`docker inspect --format '{{.Config.Image}}' ${container("app")}`);
  await onMachine(
    `docker service create --detach --no-resolve-image --quiet --name ${onEdge} --network ${network} --entrypoint sleep ${image.trim()} 3600
for _ in $(seq 60); do [ -z "${container(onEdge)}" ] || exit 0; sleep 1; done; exit 1`,
    90,
  );
});
afterAll(async () => {
  await onMachine(`docker service rm ${onEdge}`);
  await outside.close();
});

describe("Postgres and Redis", () => {
  const ports = { postgres: 5432, redis: 6379 };

  test("are reached by the app and the worker, by no container that is only on the edge's network", async () => {
    const rows: string[][] = [];
    for (const [name, port] of Object.entries(ports)) {
      const addresses = await addressesOf(name);
      // The internal network's alone: a way out would be another one.
      expect(addresses).toHaveLength(1);
      const targets = addresses.map((address) => `${address}:${port}`);
      for (const from of ["app", "worker", onEdge]) {
        const [reached] = await connects(from, targets);
        rows.push([`${name} ${targets.join()}`, from, reached ? "reached" : "not reached"]);
        expect(reached, `${name} from ${from}`).toBe(from !== onEdge);
      }
    }
    printTable("who reaches the data", ["data", "from", ""], rows);
    const lookup = (from: string, name: string) =>
      onMachine(`docker exec ${container(from)} getent hosts ${name} || echo unknown`);
    for (const name of ["mfa_postgres", "mfa_redis"]) {
      expect((await lookup(onEdge, name)).trim()).toBe("unknown");
      expect(await lookup("app", name)).toMatch(/^10\./);
    }
  });

  test("are not reached from outside", async () => {
    const client = await openClient(await service(), 61);
    try {
      for (const port of Object.values(ports)) expect(await client.connects(port)).toBe(false);
      expect(await client.connects(443)).toBe(true);
    } finally {
      await client.close();
    }
  });
});

/**
 * What leaves any container of the host, but for what goes to that address: by a rule for what the host hands on, and one for what ends at
 * the host itself. Only here: see decision 12.
 */
const limits = (address: string) =>
  [
    `DOCKER-USER --in-interface docker_gwbridge ! --destination ${address}`,
    "INPUT --in-interface docker_gwbridge",
  ].map((rule) => `${rule} --match conntrack --ctstate NEW --jump REJECT`);

describe("the way out", () => {
  beforeAll(async () => {
    for (const rule of limits(outside.address)) await onMachine(`sudo iptables --insert ${rule}`);
  });
  afterAll(async () => {
    for (const rule of limits(outside.address)) await onMachine(`sudo iptables --delete ${rule}`);
  });

  test("leads app and worker to Airtable, OpenAI and the mail server and no other address, Postgres and Redis nowhere", async () => {
    const { address, domain } = await service();
    const metadata = "169.254.169.254:80";
    const targets = [
      [`${outside.address}:8080`, "Airtable and OpenAI"],
      [`${outside.address}:2525`, "the mail server"],
      [`${home.gateway}:5000`, "another address: the lab's registry"],
      [`${address}:443`, `the host's own edge, ${domain}`],
      [`${address}:666`, "SSH of the host"],
      [metadata, "Hetzner's metadata"],
    ] as const;
    const rows: string[][] = [];
    for (const from of services) {
      const reached = await connects(
        from,
        targets.map(([target]) => target),
      );
      for (const [index, [target, what]] of targets.entries())
        rows.push([from, target, what, reached[index] ? "reached" : "not reached"]);
      const leads = from === "app" || from === "worker";
      expect(reached, from).toEqual(targets.map((_, index) => leads && index < 2));
    }
    printTable("the way out of each container", ["from", "to", "what it is", ""], rows);
  });

  test("is used: the app and the worker are answered by all three", async () => {
    const client = await openClient(await service(), 62);
    const { domain, address } = await service();
    const said = await client
      .run("curl", [
        ...["--silent", "--insecure", "--max-time", "20", "--resolve", `${domain}:443:${address}`],
        `https://${domain}/api/outside`,
      ])
      .finally(() => client.close());
    expect(JSON.parse(said.stdout)).toEqual({ airtable: "200", openai: "200", mail: "220" });
    const status = await ops("status", "--json");
    const { answers } = JSON.parse(status.stdout) as { answers: { question: string; answer: string }[] };
    const worker = answers.find(({ question }) => question === "sync:status");
    expect(JSON.parse(worker?.answer ?? "")).toMatchObject({ airtable: "200" });
  });
});
