import { describe, expect, test } from "vitest";
import { completeConfig } from "./committed-config.ts";
import { type ProgramRun, runProgram } from "./support.ts";

describe("edge networks", () => {
  const networksOf = (program: ProgramRun, service: string) =>
    (
      program.find("docker:index/service:Service", service).inputs.taskSpec as {
        networksAdvanceds: { id: string }[];
      }
    ).networksAdvanceds.map(({ id }) => id);
  const placed = (more: object) => ({
    "berth:systems": JSON.stringify({ togather: { host: "main", domain: "togather.example", ...more } }),
  });

  test("the edge is attached to all of them, and a system to one of them and its own networks", async () => {
    const all = ["edge_id", ...[2, 3, 4, 5, 6, 7, 8].map((number) => `edge-${number}_id`)];
    const first = await runProgram("production");
    expect(networksOf(first, "togather_app")).toEqual(["edge_id", "togather_id"]);
    const third = await runProgram("production", placed({ edgeNetwork: 3 }));
    expect(networksOf(third, "togather_app")).toEqual(["edge-3_id", "togather_id"]);
    for (const program of [first, third]) expect(networksOf(program, "edge_nginx")).toEqual(all);
    expect(third.find("docker:index/service:Service", "edge_nginx").inputs).toEqual(
      first.find("docker:index/service:Service", "edge_nginx").inputs,
    );
  });

  test("they belong to the host and have the aliases of the former edge networks", async () => {
    const { find } = await runProgram("production");
    const former = (name: string) => find("docker:index/network:Network", name).aliases;
    expect(former("edge")).toEqual(["edge in urn:pulumi:production::berth::berth:edge:NginxEdge::main-edge"]);
    expect(former("edge-2")).toEqual([]);
  });

  test("a restart of the edge is announced at preview", async () => {
    const { find } = await runProgram("production");
    expect(find("command:local:Command", "main-edge-ready").beforeUpdate).toEqual(["main-edge-restart"]);
  });

  test("each of two hosts has its own, with its own names, and those of the first one do not change", async () => {
    const hosts = JSON.parse(completeConfig("production").values["berth:hosts"] ?? "{}");
    const two = { "berth:hosts": JSON.stringify({ main: hosts.main, auth: hosts.main }) };
    const before = await runProgram("production");
    const program = await runProgram("production", two);
    expect(program.error).toBeUndefined();
    const known = ({ registrations }: ProgramRun) => registrations.map(({ urn }) => urn);
    expect(new Set(known(program)).size).toBe(known(program).length);
    expect(known(program)).toEqual(expect.arrayContaining(known(before)));
    expect(networksOf(program, "auth-edge_nginx")[7]).toBe("auth-edge-8_id");
    expect(program.find("docker:index/network:Network", "auth-edge").aliases).toEqual([]);
  });

  test("the only host of a stack keeps the resources of an earlier version, whatever its name", async () => {
    const hosts = JSON.parse(completeConfig("production").values["berth:hosts"] ?? "{}");
    const program = await runProgram("production", {
      "berth:hosts": JSON.stringify({ web: hosts.main }),
      ...placed({ host: "web" }),
    });
    expect(program.error).toBeUndefined();
    const network = program.find("docker:index/network:Network", "web-edge");
    const former = "urn:pulumi:production::berth::berth:edge:NginxEdge::web-edge";
    expect(network.aliases).toEqual([`edge in ${former}`]);
    // A changed label replaces a network.
    expect(network.inputs.labels).toContainEqual({ label: "berth.resource", value: "edge" });
    const service = program.find("docker:index/service:Service", "web-edge_nginx");
    expect(service.aliases).toEqual([`edge_nginx in ${former}`]);
  });
});

describe("another kind of edge", () => {
  const hosts = () => JSON.parse(completeConfig("production").values["berth:hosts"] ?? "{}");
  const images = () => JSON.parse(completeConfig("production").values["berth:images"] ?? "{}");
  const onTraefik = () => {
    const { main } = hosts();
    const { traefik, ...rest } = images();
    const digests = { "3.6.12": `sha256:${"cd".repeat(32)}` };
    return {
      "berth:hosts": JSON.stringify({ main: { ...main, edge: { kind: "traefik", version: "3.6.12" } } }),
      "berth:images": JSON.stringify({ ...rest, traefik: { ...traefik, digests } }),
    };
  };

  test("changes the component and the service, and nothing else that is registered", async () => {
    const lines = ({ registrations }: ProgramRun) =>
      registrations.map(({ type, name, parent }) => `${type}  ${name}  <  ${parent}`);
    const before = lines(await runProgram("production"));
    const program = await runProgram("production", onTraefik());
    expect(program.error).toBeUndefined();
    const after = lines(program);
    const service = "docker:index/service:Service";
    expect(before.filter((line) => !after.includes(line)).toSorted()).toEqual([
      "berth:edge:NginxEdge  main-edge  <  (stack)",
      `${service}  edge_nginx  <  main-edge`,
    ]);
    expect(after.filter((line) => !before.includes(line)).toSorted()).toEqual([
      "berth:edge:TraefikEdge  main-edge  <  (stack)",
      `${service}  edge_traefik  <  main-edge`,
    ]);
  });

  test("keeps the resources of the previous kind, as an update", async () => {
    const urn = (kind: string) => `urn:pulumi:production::berth::berth:edge:${kind}::main-edge`;
    for (const [change, former] of [
      [onTraefik(), "NginxEdge"],
      [{}, "TraefikEdge"],
    ] as const) {
      const { find } = await runProgram("production", change);
      for (const name of ["configuration", "pull", "ready", "certificates"]) {
        const { aliases } = find("command:local:Command", `main-edge-${name}`);
        expect(aliases).toEqual([` in ${urn(former)}`]);
      }
    }
  });

  test("has the ports, no Docker socket, and no file of the host that it can write", async () => {
    const { find } = await runProgram("production", onTraefik());
    const { inputs } = find("docker:index/service:Service", "edge_traefik");
    expect(inputs).toMatchObject({
      endpointSpec: {
        mode: "dnsrr",
        ports: [
          { publishedPort: 80, publishMode: "host" },
          { publishedPort: 443, publishMode: "host" },
        ],
      },
      updateConfig: { order: "stop-first" },
    });
    const { containerSpec, networksAdvanceds } = inputs.taskSpec as {
      containerSpec: { mounts: { source: string; readOnly: boolean }[] };
      networksAdvanceds: unknown[];
    };
    expect(containerSpec.mounts.map(({ source, readOnly }) => [source, readOnly])).toEqual([
      ["/var/lib/berth/edge", true],
      ["/var/lib/berth/challenges", true],
      ["/var/lib/berth/edge/plugins", true],
    ]);
    expect(networksAdvanceds).toHaveLength(8);
  });
});
