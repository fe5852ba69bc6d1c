import { afterAll, describe, expect, test } from "vitest";
import { cloudEndpoint, cloudToken } from "../../../lab/stack/cloud-access.ts";
import { Cloud } from "../../../ops/cloud.ts";
import { resourceName, resources } from "../../../ops/deployment.ts";
import { decorate, deployCommittedVersion, opsOk, sql } from "../database.ts";
import { leftovers } from "../leftovers.ts";
import { scenarios } from "../search.ts";
import { backend, home, labOk, onMachine, ops, stack, togather } from "../support.ts";

/**
 * A server is deleted for good, and its host stands again in another location, with data, certificates and routes from the backups alone.
 * What is restored, refused and left alone in single cases is in test/lab/restore-from.test.ts.
 */

const options = ["--acme", "--backups", "--set", "togather:app.version=v1.0.0"];
const elsewhere = ["--set", "berth:hosts.main.location=hel1"];
const restoreFrom = ["--set", "berth:hosts.main.restoreFrom=backups"];

scenarios(...options);
afterAll(deployCommittedVersion);

const cloud = new Cloud({ endpoint: cloudEndpoint(home), token: cloudToken(home) });
const objectsOf = async (kind: string, resource: string) =>
  (await cloud.list(stack)).filter((each) => each.kind === kind && each.resource === resource);

/** Rows with a checksum of them all, and what of the database is no row. */
const data = async () => [
  await sql(
    "SELECT count(*), md5(string_agg(id || name, ',' ORDER BY id)) FROM events WHERE name LIKE 'kept %'",
  ),
  await sql("SELECT version FROM schema_migrations"),
  await sql(
    "SELECT ARRAY(SELECT acl::text FROM unnest(datacl) AS acl ORDER BY 1), (SELECT setconfig FROM pg_db_role_setting WHERE setdatabase = oid AND setrole = 0) FROM pg_database WHERE datname = 'togather'",
  ),
  await sql("SELECT string_agg(rolname, ' ' ORDER BY rolname) FROM pg_roles WHERE rolname !~ '^pg_'"),
];
const certificate = async () =>
  onMachine(`sudo openssl x509 -noout -serial -in /var/lib/berth/edge/tls/${(await togather()).domain}.pem`);
describe("a host whose server is gone", () => {
  test("is not forgotten while it is there, and with it nothing is restored over", async () => {
    await sql(
      "INSERT INTO events (name, starts_at) SELECT 'kept ' || n, now() FROM generate_series(1, 5000) AS n",
    );
    await decorate();
    const refused = await ops("forget-host", "main", "--yes");
    expect(refused.exitCode).toBe(1);
    expect(refused.output).toContain("still exists, so nothing is forgotten");
    const before = await data();
    await labOk("up", ...options, ...restoreFrom);
    expect(await data()).toEqual(before);
    await labOk("preview", ...options, ...restoreFrom, "--expect-no-changes");
    await labOk("up", ...options);
  });

  test("stands again in another location with its data, certificate and routes, and the next up has nothing to do", async () => {
    await opsOk("backup", "togather");
    await opsOk("backup", "main");
    const before = { data: await data(), certificate: await certificate() };
    const { address } = await togather();
    const [server] = await objectsOf("server", "main-server");
    if (server === undefined) throw new Error("the cloud has no server main-server");
    const gone = Date.now();
    await cloud.remove(server);

    const asked = await ops("forget-host", "main", "--yes");
    expect(asked.exitCode).toBe(1);
    expect(asked.output).toMatch(/the volume .* still exists, and has newer data than any backup/);
    const forgotten = await opsOk("forget-host", "main", "--volume", "leave", "--yes");
    expect(forgotten.output).toContain("main is forgotten");
    const { output, steps } = await labOk("up", ...options, ...elsewhere, ...restoreFrom);

    // Each is said while it is done, and in the summary.
    const said = new Set(output.match(/(database|folder) \S+: restored from backup.*/g));
    process.stdout.write(
      `${[...said].join("\n")}\nfrom the loss of the server until everything served: ${Math.round((Date.now() - gone) / 1000)} s\n`,
    );
    expect(output).toMatch(
      /database togather_postgres\/togather: restored from backup [0-9a-f]{8} of \S+: \d+ tables, \d{4,} rows; RPO \d+ s, RTO \d+ s/,
    );
    expect(output).toMatch(/folder \/mnt\/data\/acme: restored from backup [0-9a-f]{8} of \S+: \d+ files/);
    expect(output).not.toContain("could not be restored");
    expect(await data()).toEqual(before.data);
    // The lab's authority issues for six days, which each run renews (lab/acme/pebble.ts): the one of before is among certbot's.
    const issued = await onMachine(
      "sudo sh -c 'for each in /mnt/data/acme/*/archive/*/cert*.pem; do openssl x509 -noout -serial -in $each; done'",
    );
    expect(issued).toContain(before.certificate.trim());
    // Passwords and keys are the state's, and stay.
    expect(steps.filter(({ type }) => /^(random|tls):/.test(type))).toEqual([]);
    const now = await togather();
    expect(now.healthy).toBe(true);
    expect(now.address).not.toBe(address);
    const record = resources(await backend.read()).find(
      ({ type, urn }) => type.endsWith(":ZoneRrset") && resourceName(urn) === `dns-${now.domain}`,
    );
    expect(JSON.stringify(record?.inputs)).toContain(now.address);

    await labOk("preview", ...options, ...elsewhere, ...restoreFrom, "--expect-no-changes");
    // It writes to the repository of before.
    const { stdout } = await opsOk("backups", "togather", "--json");
    expect((JSON.parse(stdout) as { time: string }[]).some(({ time }) => Date.parse(time) < gone)).toBe(true);
    await opsOk("drill", "togather");
  });

  test("is as any other without the setting, and the old volume is the owner's to delete", async () => {
    const before = await data();
    const started = await sql("SELECT pg_postmaster_start_time()");
    await labOk("up", ...options, ...elsewhere);
    await labOk("preview", ...options, ...elsewhere, "--expect-no-changes");
    expect(await data()).toEqual(before);
    expect(await sql("SELECT pg_postmaster_start_time()")).toBe(started);
    const known = new Set(resources(await backend.read()).map(({ id }) => id));
    const left = [
      ...(await objectsOf("volume", "main-data")),
      ...(await objectsOf("primary_ip", "main-address")),
      ...(await objectsOf("primary_ip", "main-address6")),
    ].filter(({ id }) => !known.has(id));
    expect(left.map(({ kind }) => kind)).toContain("volume");
    for (const object of left) await cloud.remove(object);
    expect(await leftovers()).toEqual([]);
  });

  test("loses nothing where its volume is still there: a new server takes it, with its address", async () => {
    await sql("INSERT INTO events (name, starts_at) VALUES ('kept after the last backup', now())");
    const before = await data();
    const { address } = await togather();
    const [server] = await objectsOf("server", "main-server");
    if (server === undefined) throw new Error("the cloud has no server main-server");
    await cloud.remove(server);
    await opsOk("forget-host", "main", "--volume", "keep", "--yes");
    await labOk("up", ...options, ...elsewhere);
    expect(await data()).toEqual(before);
    expect(await togather()).toMatchObject({ address, healthy: true });
    await labOk("preview", ...options, ...elsewhere, "--expect-no-changes");
    expect(await leftovers()).toEqual([]);
  });
});
