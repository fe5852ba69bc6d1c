import { readFileSync } from "node:fs";
import { request } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { networkAddress } from "../../../lab/docker/index.ts";
import { authorityFile } from "../../../lab/stack/certificate.ts";
import { cloudFault, power } from "../faults.ts";
import { leftovers } from "../leftovers.ts";
import {
  home,
  type LabRun,
  lab,
  labOk,
  nameOf,
  onMachine,
  otherVersion,
  service,
  setting,
  tested,
  upTo,
} from "../support.ts";
import { expectNoFailure } from "../under-load.ts";
import { faultsOf } from "./fault-table.ts";

/**
 * What happens to a host in its life, each under load: processes that are killed, memory and disk that run out, a reboot, a cloud that answers
 * badly, a host key that is another one, a client that is slow on purpose. What was acknowledged is there afterwards; the table says how
 * many requests failed, how long it took, and what the operator does.
 */
export function hostFaults(): void {
  const { fault, outlived, untouched, operatorDid } = faultsOf("a host");

  const container = (name: string) =>
    `$(docker ps --quiet --filter label=berth.resource=${nameOf(name)} --filter status=running | head -n 1)`;

  describe("kill -9", () => {
    const victims: [what: string, script: string][] = [
      ["of dockerd", "sudo pkill -KILL -x dockerd"],
      ["of the proxy", "docker kill $(docker ps --quiet --filter label=berth.role=edge)"],
      ["of PostgreSQL", `docker kill ${container("postgres")}`],
    ];
    test.each(victims)("%s: everything comes back by itself", async (what, script) => {
      await outlived(`kill -9 ${what}`, "nothing", () => onMachine(script));
    });

    test("of Redis, where the system has one", async () => {
      const { redis } = tested;
      if (redis === undefined) {
        process.stdout.write(`skipped: ${tested.name} has no Redis\n`);
        return;
      }
      await outlived("kill -9 of Redis", "nothing", () => onMachine(`docker kill ${container(redis)}`));
    });
  });

  test("the app's memory runs out: it is killed and comes back by itself", async () => {
    await outlived("out of memory", "nothing", async () => {
      // The kernel takes the process with the highest score; the one that asks for the memory is another, in the same container.
      const state = await onMachine(
        `app=${container(tested.service)}
echo 1000 | sudo tee "/proc/$(docker inspect --format '{{.State.Pid}}' "$app")/oom_score_adj" >/dev/null
docker exec "$app" sh -c 'head -c 8G /dev/zero | tail' >/dev/null 2>&1 || true
timeout 60 docker wait "$app" || true
docker inspect --format '{{.State.OOMKilled}} {{.State.ExitCode}}' "$app"`,
        120,
      );
      expect(state).toMatch(/(true \d+|false 137)\s*$/);
    });
  });

  test("the data volume is full: what can be kept is, and with room again everything comes back by itself", async () => {
    await outlived("data volume full for 20 s", "makes room", async () => {
      await onMachine(`filler=/mnt/data/left-by-somebody
sudo fallocate --length "$(df --output=avail --block-size=1 /mnt/data | tail -n 1)" "$filler" 2>/dev/null || true
sudo dd if=/dev/zero of="$filler" bs=64k oflag=append conv=notrunc 2>/dev/null || true
df --output=avail /mnt/data | tail -n 1`);
      await sleep(20_000);
      await onMachine("sudo rm -f /mnt/data/left-by-somebody");
    });
  });

  test("a reboot: everything comes back by itself", async () => {
    await outlived("reboot", "nothing", async () => {
      await power("reboot");
      await sleep(2000);
    });
  });

  test("the Swarm's state is lost: what ran is forgotten and made anew, with its data", async () => {
    const before = await service();
    await fault("Swarm state wiped", "forget-host --swarm, up", async () => {
      await onMachine(
        "sudo systemctl stop docker.socket docker.service && sudo rm -rf /var/lib/docker/swarm && sudo systemctl start docker.socket docker.service",
      );
      await labOk("ops", "forget-host", tested.host, "--swarm", "--yes");
      await labOk(...upTo(before.version));
    });
    await untouched(await service());
  });

  describe("Hetzner's API, while up changes the firewall", () => {
    const rule = (last: number) => [
      "--set",
      `berth:hosts.${tested.host}.sshAllowedFrom=${JSON.stringify([`${networkAddress(home, last)}/32`])}`,
    ];
    const faults: [what: string, last: number, Parameters<typeof cloudFault>[0], says: RegExp][] = [
      [
        "does not answer after it acted",
        11,
        { match: "POST /v1/firewalls/*", kind: "drop-after-commit" },
        /./,
      ],
      ["answers 429 three times", 12, { match: "* /v1/*", kind: "rate-limit", times: 3 }, /./],
      ["takes 20 s", 13, { match: "POST /v1/firewalls/*", kind: "slow", milliseconds: 20_000 }, /./],
      [
        ...(["refuses the token", 14] as const),
        {
          match: "* /v1/*",
          kind: "error",
          times: 100,
          status: 401,
          code: "unauthorized",
          message: "unable to authenticate",
        },
        /unable to authenticate/,
      ],
    ];
    test.each(faults)("%s: no request fails, and the next up converges", async (what, last, how, says) => {
      const before = await service();
      let run: LabRun | undefined;
      const load = await fault(`the API ${what}`, "", async () => {
        const undo = await cloudFault(how);
        run = await lab(...upTo(before.version), ...rule(last)).finally(undo);
      });
      operatorDid(run?.exitCode === 0 ? "nothing" : "up again");
      if (run?.exitCode !== 0)
        process.stdout.write(`\n## what the operator sees\n${run?.output.slice(-1500)}\n`);
      expect(run?.output).toMatch(says);
      expectNoFailure(load);
      await labOk(...upTo(before.version), ...rule(last));
      await labOk("preview", "--expect-no-changes", ...setting("version", before.version), ...rule(last));
      await labOk(...upTo(before.version));
      await untouched(before);
    });
  });

  test("another host key: up stops and says so, nothing is sent, and with the right one it converges", async () => {
    const before = await service();
    const version = otherVersion(before.version);
    let failed: LabRun | undefined;
    const load = await fault("another host key", "finds out why", async () => {
      // The machine puts its own back: nobody can be let in meanwhile.
      await onMachine(`sudo systemd-run --quiet --unit=berth-test-host-key bash -c '
cd /etc/ssh && cp -p ssh_host_ed25519_key kept && cp -p ssh_host_ed25519_key.pub kept.pub && rm ssh_host_ed25519_key*
ssh-keygen -q -t ed25519 -N "" -f ssh_host_ed25519_key && systemctl restart ssh && pkill -f "[s]shd.*: deploy" ; sleep 90
mv kept ssh_host_ed25519_key && mv kept.pub ssh_host_ed25519_key.pub && systemctl restart ssh'`);
      await sleep(3000);
      failed = await lab(...upTo(version));
      await sleep(Math.max(0, 100_000 - failed.seconds * 1000));
    });
    process.stdout.write(`\n## what the operator sees\n${failed?.output.slice(-1500)}\n`);
    expect(failed?.exitCode).not.toBe(0);
    expect(failed?.output).toMatch(/host key/i);
    expectNoFailure(load);
    expect((await service()).slot).toBe(before.slot);
    await labOk(...upTo(version));
    expect(await leftovers()).toEqual([]);
  });

  test("a client that sends a byte a second holds no deploy beyond the drain's deadline", async () => {
    const before = await service();
    const [method = "GET", path = "/"] = (tested.writes[0] ?? "GET /").split(" ");
    const { address, domain } = before;
    let ended = "";
    let deploy: LabRun | undefined;
    const load = await fault("a slow client", "nothing", async () => {
      const slow = request({
        ...{ host: address, port: 443, servername: domain, method, path, agent: false },
        headers: { host: domain, "content-type": "application/json", "content-length": 600 },
        ca: readFileSync(authorityFile(home)),
      });
      slow.on("error", (error) => (ended ||= error.message));
      slow.on("response", (response) => (ended ||= `status ${response.statusCode}`));
      const drip = setInterval(() => slow.write(" "), 1000);
      try {
        deploy = await labOk(...upTo(otherVersion(before.version)));
      } finally {
        clearInterval(drip);
        slow.destroy();
      }
    });
    process.stdout.write(
      `the deploy took ${deploy?.seconds.toFixed(1)} s; the slow client: ${ended || "still sending"}\n`,
    );
    expect(deploy?.seconds).toBeLessThan(150);
    expectNoFailure(load);
    expect(await leftovers()).toEqual([]);
  });
}
