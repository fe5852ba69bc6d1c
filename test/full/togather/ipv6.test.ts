import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, describe, expect, test } from "vitest";
import { network6 } from "../../../lab/docker/index.ts";
import { type Client, openClient } from "../clients.ts";
import { power } from "../faults.ts";
import { scenarios } from "../search.ts";
import { home, lab, labOk, onMachine, ops, type RunningSystem, togather } from "../support.ts";

/** The way of IPv6 to the edge, and what restarts, bans and settings do to it; what the edge makes of it is test/lab/edge-ipv6.test.ts's. */

scenarios();

let system: RunningSystem;
let address6: string;
beforeAll(async () => {
  await labOk("up");
  system = await togather();
  const host = Number(system.address.split(".").at(-1));
  address6 = `${network6(home, host)}1`;
});

/** A client that asks over IPv6. */
const open = (index: number): Promise<Client> => openClient({ ...system, address: `[${address6}]` }, index);

/** Statuses of the home page over IPv6. */
async function statuses(index = 60, count = 1): Promise<number[]> {
  const client = await open(index);
  try {
    return await client.ask("/health", { count });
  } finally {
    await client.close();
  }
}

/** Seconds until the edge answers over IPv6 again. */
async function answersAgain(seconds: number): Promise<void> {
  await expect.poll(() => statuses(), { timeout: seconds * 1000, interval: 500 }).toEqual([200]);
}

const refused = () => onMachine("sudo journalctl BERTH_ROLE=edge PRIORITY=3 --output cat | tail -n 50");

describe("over IPv6", () => {
  test("the system answers, and its log shows the client's own address", async () => {
    expect(await statuses()).toEqual([200]);
    const log = await onMachine("sudo journalctl BERTH_ROLE=edge --output cat --since -2min");
    expect(log).toContain(`"client":"${network6(home, 160)}1"`);
  });

  test("the domain's AAAA record leads to the host", async () => {
    const addresses = await onMachine(`getent ahostsv6 ${system.domain} | awk '{ print $1 }' | sort -u`);
    expect(addresses.trim()).toBe(address6);
  });

  test("a second preview has nothing to do", async () => {
    await labOk("preview", "--expect-no-changes");
  });

  test("nothing but the edge's ports is reached, and nothing is forwarded elsewhere", async () => {
    const client = await open(61);
    const connects = async (to: string, port: number) => {
      const { exitCode } = await client.run("timeout", ["2", "bash", "-c", `exec 3<>/dev/tcp/${to}/${port}`]);
      return exitCode === 0;
    };
    try {
      expect([await connects(address6, 443), await connects(address6, 80)]).toEqual([true, true]);
      expect([await connects(address6, 22), await connects(address6, 8081)]).toEqual([false, false]);
      // The edge's own card, by way of the host.
      await client.run("ip", ["-6", "route", "add", "fdbe:b3c7:51d2:6::/64", "via", address6]);
      expect(await connects("fdbe:b3c7:51d2:6::2", 443)).toBe(false);
    } finally {
      await client.close();
    }
  });

  test("who keeps being refused is banned with its whole network, and with nobody else", async () => {
    const guesser = await open(62);
    const other = `${network6(home, 162)}99`;
    try {
      const guesses = await guesser.ask("/api/v1/admin/events", { count: 40 });
      expect(guesses[0]).toBe(403);
      expect(await refused()).toContain(`"network":"${network6(home, 162)}1/64"`);
      await expect
        .poll(() => onMachine("sudo fail2ban-client get berth-edge banip"), { timeout: 20_000 })
        .toContain(`${network6(home, 162)}/64`);
      expect(await guesser.ask("/health", { curl: "max-time = 3\n" })).toEqual([0]);
      await guesser.run("ip", ["-6", "address", "add", `${other}/48`, "dev", "eth0", "nodad"]);
      const from = (source: string) =>
        guesser.ask("/health", { curl: `max-time = 3\ninterface = "${source}"\n` });
      expect(await from(other)).toEqual([0]);
      expect(await statuses(63)).toEqual([200]);
    } finally {
      await onMachine(`sudo fail2ban-client unban ${network6(home, 162)}/64`);
      await guesser.close();
    }
    expect(await statuses(62)).toEqual([200]);
  });
});

describe("IPv6 comes back", () => {
  test("after a restart of the edge", async () => {
    await onMachine("docker ps --quiet --filter label=berth.role=edge | xargs docker kill");
    await answersAgain(60);
  });

  test("after a restart of its unit, which cuts off nobody", async () => {
    const client = await open(64);
    const asking = client.ask("/health", { count: 400 });
    await onMachine("sudo systemctl restart berth-ipv6");
    expect(new Set(await asking)).toEqual(new Set([200]));
    await client.close();
  });

  test("after a restart of Docker", async () => {
    expect((await ops("restart-docker", "main")).exitCode).toBe(0);
    await answersAgain(60);
  });

  test("after a reboot of the machine", async () => {
    await power("reboot");
    await sleep(3000);
    await answersAgain(180);
    expect((await onMachine("systemctl is-active berth-ipv6")).trim()).toBe("active");
  });
});

describe("on a server that exists", () => {
  const setting = (on: boolean) => ["--set", `berth:hosts.main.ipv6=${on}`];

  test("it is taken away and set again, and each preview says that the server is powered off", async () => {
    for (const on of [false, true]) {
      const preview = await lab("preview", ...setting(on));
      expect(preview.output).toMatch(/main-server is powered off in this run, without a shutdown/);
      await labOk("up", ...setting(on));
      await labOk("preview", "--expect-no-changes", ...setting(on));
      expect((await (await openClient(system, 65)).ask("/health"))[0]).toBe(200);
      if (on) await answersAgain(60);
      else
        expect(await onMachine("ls /etc/systemd/system; sudo ip6tables -S FORWARD")).not.toMatch(
          /berth-ipv6|BERTH/,
        );
    }
  });
});
