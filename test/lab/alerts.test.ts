import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { causesOn } from "./alerts-causes.ts";
import { type AlertsHost, canaries, startAlertsHost } from "./alerts-host.ts";
import { leftOutOfCi } from "./system-lab.ts";
import { until } from "./until.ts";

/** Each alert by its cause, and its end, by the real monit on a host of the lab; who is told when is in test/engine/alerts.test.ts. */

const channels = ["discord", "email", "ntfy", "slack"];
const domain = "app.lab.example";
let lab: AlertsHost;
let cause: ReturnType<typeof causesOn>;
const host = (script: string) => lab.host(script);
const messages = (title: string) => lab.receivers.messages.filter((message) => message.title === title);

/** Waits until all ways have told it. */
async function told(title: string, seconds = 90): Promise<string> {
  await until(
    `all are told "${title}"`,
    seconds,
    async () => messages(title).length >= channels.length,
  ).catch(async (error: Error) => {
    const said = await host(
      "monit -c /etc/berth/alerts/monitrc -B status; journalctl --unit berth-watch --lines 30 --output cat; head /run/berth-watch/*.error /run/berth-watch/found 2>&1 || true",
    );
    throw new Error(
      `${error.message}; told were: ${lab.receivers.messages.map((each) => `${each.channel} ${each.title}`).join(", ")}\n${said}`,
    );
  });
  return messages(title)[0]?.body ?? "";
}

/** Causes an alert and ends it; each way tells both. */
async function firedAndOver(
  what: string,
  anchor: string,
  shown: RegExp,
  { begin, end }: Readonly<Record<"begin" | "end", () => Promise<unknown>>>,
): Promise<void> {
  const began = performance.now();
  await begin();
  const body = await told(`PROBLEM: ${what} on lab`);
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  expect(body).toMatch(shown);
  for (const line of [
    "host: lab (stack test)",
    "threshold: ",
    `what to do: docs/runbooks/alerts.md#${anchor}`,
  ])
    expect(body).toContain(line);
  expect(JSON.parse(await host("/usr/local/lib/berth/watch now")).alerts).toContainEqual(
    expect.objectContaining({ alert: anchor }),
  );
  await end();
  await told(`OVER: ${what} on lab`, 150);
  process.stdout.write(`  ${what}: told after ${seconds} s; ${/value: (.*)/.exec(body)?.[1]}\n`);
}

/** Seconds that monit and everything that it has started have worked, and since when. */
async function processorTime(): Promise<{ worked: number; at: number }> {
  const ticks = await host(
    `pid=$(systemctl show --property MainPID --value berth-watch); awk '{ print $14 + $15 + $16 + $17 }' /proc/$pid/stat`,
  );
  return { worked: Number(ticks) / 100, at: performance.now() / 1000 };
}

let usedPercent: number;
beforeAll(async () => {
  lab = await startAlertsHost();
  cause = causesOn(lab, domain);
  usedPercent = Number(
    await host(
      `awk '/MemTotal/ { t = $2 } /MemAvailable/ { a = $2 } END { printf "%.0f", 100 - 100 * a / t }' /proc/meminfo`,
    ),
  );
  // In the place of the process list that somebody on the host sees, all the time.
  await host(
    `systemd-run --quiet --unit=listing bash -c 'while :; do cat /proc/[0-9]*/cmdline 2>/dev/null | tr "\\0" " " | grep --only-matching --text "canar[y]-[0-9a-f]*" >>/root/listed; sleep 0.02; done'`,
  );
  await host(`install -d /var/lib/berth/sockets/lab_postgres
docker run --detach --name lab-postgres --label berth.resource=lab_postgres --env POSTGRES_HOST_AUTH_METHOD=trust ${lab.image} postgres -c max_connections=20 -c wal_level=logical >/dev/null`);
  await until("Postgres", 90, () => host("docker exec lab-postgres pg_isready --host 127.0.0.1"));
  await cause.serves(90);
  await cause.backup();
  await cause.drill("");
  await cause.service("lab_app", "", "sleep 100000");
});
afterAll(() => lab?.close());

describe.skipIf(leftOutOfCi("alerts of a host")).sequential("alerts", { timeout: 400_000 }, () => {
  const listening = () =>
    host("ss --no-header --listening --tcp --udp --numeric | awk '{ print $1, $5 }' | sort");

  test("are refused with a way that cannot be used, and nothing runs", async () => {
    lab.receivers.state.down.add("slack");
    const { exitCode, said } = await lab.install();
    lab.receivers.state.down.clear();
    expect(exitCode).toBe(1);
    expect(said).toContain(
      "berth:alerts: no message can be sent by slack: curl: (22) The requested URL returned error: 500",
    );
    expect(await host("systemctl is-active berth-watch || true")).toBe("inactive");
    expect(said).not.toContain("canary-");
  });

  test("are set up: each way has a message, the outside a heartbeat, and nothing listens", async () => {
    const before = await listening();
    lab.receivers.messages.length = 0;
    const config = {
      // The memory is this machine's, where another file's machines come and go meanwhile.
      memoryPercent: usedPercent + 15,
      diskPercent: 92,
      restartMinutes: 1,
      replicationMebibytes: 64,
    };
    const { exitCode, said } = await lab.install(config, [domain]);
    expect(exitCode, said).toBe(0);
    expect(
      messages("TEST: alerts of lab come here")
        .map(({ channel }) => channel)
        .toSorted(),
    ).toEqual(channels);
    await until("heartbeats", 20, async () => lab.receivers.state.heartbeats > 3);
    expect(await listening()).toBe(before);
    expect(await host("stat --format '%a %U %n' /etc/berth/alerts /etc/berth/alerts/*")).toBe(
      "700 root /etc/berth/alerts\n644 root /etc/berth/alerts/authority.pem\n600 root /etc/berth/alerts/monitrc\n600 root /etc/berth/alerts/secrets",
    );
    await until(
      "all checks have looked",
      90,
      async () => !/Initializing|failed/.test(await host("monit -c /etc/berth/alerts/monitrc -B summary")),
    );
    expect(JSON.parse(await host("/usr/local/lib/berth/watch now"))).toMatchObject({
      runs: true,
      alerts: [],
    });
  });

  test("take little: memory, and processor time of all checks", async () => {
    const before = await processorTime();
    await new Promise((resolve) => setTimeout(resolve, 40_000));
    const after = await processorTime();
    const perCycle = (after.worked - before.worked) / ((after.at - before.at) / 2);
    const kibibytes = Number(
      await host(
        `awk '/VmHWM/ { print $2 }' /proc/$(systemctl show --property MainPID --value berth-watch)/status`,
      ),
    );
    process.stdout.write(
      `  monit: ${(kibibytes / 1024).toFixed(1)} MiB at most; ${(perCycle * 1000).toFixed(0)} ms of a processor for each cycle with all that it starts, ${((perCycle / 60) * 100).toFixed(2)} % of one with a cycle a minute\n`,
    );
    expect(kibibytes).toBeLessThan(30 * 1024);
    expect(perCycle).toBeLessThan(3);
  });

  test("of the host's memory", () =>
    firedAndOver("memory of the host: lab", "memory", /value: [\d.]+ %/, {
      begin: () =>
        host(
          `head --bytes $(awk '/MemTotal/ { t = $2 } /MemAvailable/ { a = $2 } END { printf "%.0f", (t * ${(usedPercent + 23) / 100} - (t - a)) * 1024 }' /proc/meminfo) /dev/zero >/run/filled`,
        ),
      end: () => host("rm /run/filled"),
    }));

  test("of a disk, and of one that is still full when monit restarts: told once", async () => {
    await firedAndOver("disk: /mnt/data", "disk", /value: 9[3-9] %/, {
      begin: async () => {
        await host(
          "fallocate --length $(($(df --output=avail --block-size=1 /mnt/data | tail -n 1) * 97 / 100)) /mnt/data/filled",
        );
        await told("PROBLEM: disk: /mnt/data on lab");
        await host("systemctl restart berth-watch; sleep 15");
      },
      end: () => host("rm /mnt/data/filled"),
    });
    expect(messages("PROBLEM: disk: /mnt/data on lab")).toHaveLength(channels.length);
  });

  test("of a service that restarts", () =>
    firedAndOver("service that restarts: lab_app", "restarts", /value: 1 within 1 minutes; the last: .*137/, {
      begin: () => host("docker kill $(docker ps --quiet --filter label=berth.resource=lab_app)"),
      end: async () => undefined,
    }));

  test("of a service's memory near its limit", () =>
    firedAndOver("memory of a service: lab_eater", "service-memory", /value: 9\d % \(\d+ of 128 MiB\)/, {
      begin: () =>
        cause.service(
          "lab_eater",
          "--limit-memory 128M",
          `perl -e 'push @x, chr(97) x 1048576 for 1..116; sleep 100000'`,
        ),
      end: () => host("docker service rm lab_eater-1a2b3c4"),
    }));

  test("of a failed deployment, until one succeeds", () =>
    firedAndOver(
      "failed deployment: lab_app",
      "deployment",
      /value: v1.1.0 failed at .*: probe: it is never healthy/,
      {
        begin: async () =>
          expect((await cause.record("probe", 'fail "it is never healthy"')).exitCode).toBe(1),
        end: async () => {
          const { exitCode, all } = await cause.record("switch", ":");
          expect(exitCode, all).toBe(0);
        },
      },
    ));

  test("of a certificate", () =>
    firedAndOver(`certificate: ${domain}`, "certificate", /value: 4 days left, until /, {
      begin: () => cause.serves(5),
      end: () => cause.serves(90),
    }));

  test("of a backup that is stale", () =>
    firedAndOver(
      "backup: folder /mnt/data/git (host-lab)",
      "backup",
      /is STALE: the last good one is \d+ days old/,
      {
        begin: () => cause.backup("2026-01-01T02:00:00Z"),
        end: () => cause.backup(),
      },
    ));

  test("of a drill that failed", () =>
    firedAndOver(
      "restore drill: database lab_postgres/lab (lab)",
      "drill",
      /backup 1a2b3c4d does not restore/,
      {
        begin: () => cause.drill("backup 1a2b3c4d does not restore"),
        end: () => cause.drill(""),
      },
    ));

  test("of a Postgres server that runs out of connections", () =>
    firedAndOver("connections of Postgres: lab_postgres", "connections", /value: 1\d of 20/, {
      begin: () =>
        host(
          `for i in $(seq 17); do docker exec --detach lab-postgres psql -U postgres -c 'SELECT pg_sleep(600)'; done`,
        ),
      end: () =>
        cause.psql(
          "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()",
        ),
    }));

  test("of a replication slot that holds back WAL", () =>
    firedAndOver(
      "replication slot: lab_postgres held",
      "replication",
      /keeps \d+ MiB of WAL \(extended|reserved\)/,
      {
        begin: async () => {
          await cause.psql("SELECT pg_create_physical_replication_slot('held', true)");
          await cause.psql(
            "SELECT count(pg_logical_emit_message(true, 'x', repeat('x', 1000000))) FROM generate_series(1, 80)",
          );
        },
        end: () => cause.psql("SELECT pg_drop_replication_slot('held')"),
      },
    ));

  test("are told once: no title twice on one way, and no secret of any", () => {
    expect(JSON.stringify(lab.receivers.messages)).not.toContain("canary-");
    const all = lab.receivers.messages.map(({ channel, title }) => `${channel} ${title}`);
    expect(all.toSorted()).toEqual([...new Set(all)].toSorted());
  });

  test("reach a way that was down when it is up again", async () => {
    lab.receivers.state.down.add("discord");
    lab.receivers.messages.length = 0;
    await cause.backup("2026-01-01T02:00:00Z");
    const title = "PROBLEM: backup: folder /mnt/data/git (host-lab) on lab";
    await until("three ways", 60, async () => messages(title).length === channels.length - 1);
    expect(JSON.parse(await host("/usr/local/lib/berth/watch now")).undelivered).toMatch(/Z$/);
    lab.receivers.state.down.clear();
    await told(title);
    await cause.backup();
    await told(title.replace("PROBLEM", "OVER"));
  });

  test("show no secret in process lists, logs, or files that others may read", async () => {
    for (const value of Object.values(canaries))
      expect(await host("cat /etc/berth/alerts/secrets")).toContain(value);
    // What the status and its page are made of.
    expect(await host("/usr/local/lib/berth/watch now")).not.toContain("canary-");
    expect(await host("cat /root/listed")).toBe("");
    expect(await host("journalctl --no-pager --output cat | grep --count 'canar[y]-' || true")).toBe("0");
    const readable = "find /etc /var /run /tmp /usr/local /home /root -xdev -type f -perm /o=r -size -20M";
    expect(await host(`${readable} -exec grep --files-with-matches --text 'canar[y]-' {} + || true`)).toBe(
      "",
    );
  });

  test("that are no longer declared leave nothing, and the heartbeat ends", async () => {
    await lab.remove();
    const left =
      "ls -d /etc/berth/alerts /var/lib/berth/watch /usr/local/lib/berth/watch /etc/systemd/system/berth-watch.service 2>/dev/null || true";
    expect(
      await host(`${left}; pgrep monit || true; systemctl list-units --all --no-legend 'berth-watch*'`),
    ).toBe("");
    const { heartbeats } = lab.receivers.state;
    await new Promise((resolve) => setTimeout(resolve, 6000));
    expect(lab.receivers.state.heartbeats).toBe(heartbeats);
  });
});
