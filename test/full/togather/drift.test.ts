import { expect, test } from "vitest";
import { hostPaths } from "../../../components/host/paths.ts";
import { cloudEndpoint, cloudToken } from "../../../lab/stack/cloud-access.ts";
import { opsOk, sql } from "../database.ts";
import { scenarios } from "../search.ts";
import { edgeKind, home, lab, labOk, onMachine, ops, togather } from "../support.ts";
import { expectNoFailure, underLoad } from "../under-load.ts";

/** What somebody changes by hand is named by the nightly check, and put back by `up --refresh`. */

scenarios();

async function cloud(method: string, path: string, body?: object): Promise<Record<string, unknown>> {
  const answer = await fetch(`${cloudEndpoint(home)}${path}`, {
    method,
    headers: { authorization: `Bearer ${cloudToken(home)}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  expect(answer.ok, `${method} ${path}: ${answer.status}`).toBe(true);
  return (await answer.json()) as Record<string, unknown>;
}

/** The system has one host with one firewall; the stack file names the zones of others. */
async function only(
  kind: "firewalls" | "servers" | "zones",
  query = "",
): Promise<{ id: number; rules: object[] }> {
  const found = (await cloud("GET", `/${kind}${query}`))[kind] as { id: number; rules: object[] }[];
  expect(found).toHaveLength(1);
  return found[0] ?? { id: 0, rules: [] };
}

const check = () => lab("preview", "--refresh", "--expect-no-changes");
const edgeFile = `${hostPaths.edge}/${edgeKind() === "nginx" ? "nginx.conf" : "dynamic/sites.yml"}`;

async function expectNothing(): Promise<void> {
  await labOk("preview", "--refresh", "--expect-no-changes");
  expect((await opsOk("drift")).stdout).toBe("Nothing differs.\n");
}

test("nothing has been changed after an up", expectNothing);

test("changes by hand that break nothing are named and put back without a failed request", async () => {
  const before = await togather();
  const { load } = await underLoad("changes by hand, and up --refresh", async () => {
    const firewall = await only("firewalls");
    const anybody = { direction: "in", protocol: "tcp", port: "5432", source_ips: ["0.0.0.0/0"] };
    await cloud("POST", `/firewalls/${firewall.id}/actions/set_rules`, {
      rules: [...firewall.rules, anybody],
    });
    const { id: server } = await only("servers");
    await cloud("PUT", `/servers/${server}`, { labels: { owner: "nobody" } });
    const { id: zone } = await only("zones", "?name=togather.example");
    const { rrsets } = (await cloud("GET", `/zones/${zone}/rrsets`)) as {
      rrsets: { name: string; type: string }[];
    };
    const record = rrsets.find(({ type }) => type === "A");
    const path = `/zones/${zone}/rrsets/${encodeURIComponent(record?.name ?? "")}/A/actions/set_records`;
    await cloud("POST", path, { records: [{ value: "203.0.113.9" }] });
    await sql("ALTER DATABASE togather CONNECTION LIMIT 77");
    await onMachine(`docker service update --detach --quiet --env-add BY_HAND=1 ${before.slot}`);
    await onMachine(`sudo sh -c 'echo "# by hand" >>${edgeFile}'`);

    const { exitCode, output } = await check();
    expect(exitCode).not.toBe(0);
    for (const name of [
      "Firewall main-firewall",
      "Server main",
      "ZoneRrset dns-",
      "postgresql:Database",
      "Service togather_app",
    ])
      expect(output).toContain(name);
    // It changes nothing, the state neither.
    await labOk("preview", "--expect-no-changes");
    const files = await ops("drift");
    expect(files.exitCode).toBe(1);
    expect(files.stdout).toContain(edgeFile);
    expect(files.stdout).toContain("changed");

    await opsOk("drift", "--forget");
    await labOk("up", "--refresh");
  });
  expectNoFailure(load);
  await expectNothing();
  const { rules } = await only("firewalls");
  expect(JSON.stringify(rules)).not.toContain("5432");
  expect(await sql("SELECT datconnlimit FROM pg_database WHERE datname = 'togather'")).toBe("-1");
  expect(await onMachine(`sudo cat ${edgeFile}`)).not.toContain("by hand");
  const after = await togather();
  expect(after.slot).not.toBe(before.slot);
  expect(await onMachine(`docker service inspect ${after.slot}`)).not.toContain("BY_HAND");
});

test("a service that somebody removed is named, and serves again", async () => {
  const { slot } = await togather();
  await onMachine(`docker service rm ${slot}`);
  const { exitCode, output } = await check();
  expect(exitCode).not.toBe(0);
  expect(output).toMatch(/create +docker:Service togather_app/);
  await labOk("up", "--refresh");
  const after = await togather();
  expect(after.healthy).toBe(true);
  expect(after.slot).not.toBe(slot);
  const { load } = await underLoad("after the service was made anew", async () => undefined);
  expectNoFailure(load);
  await expectNothing();
});
