import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { expect, test } from "vitest";
import { authorityFile } from "../../../lab/stack/certificate.ts";
import { openClient } from "../clients.ts";
import { scenarios } from "../search.ts";
import { home, labOk, onMachine, togather } from "../support.ts";

/**
 * What an app answers is its own business: an address that earns 429s from the app for five minutes, as a colleague's browser or a
 * script does where the app has a limit of its own, still deploys and is still served.
 */

scenarios();

const minutes = 5;
/** The server answers 60 requests a minute of one client here, and 429 beyond them. */
const path = "/api/v1/places";

test("an address that earns 429s from the app for five minutes still deploys, and is still served", async () => {
  const system = await togather();
  const colleague = await openClient(system, 30);
  const statuses = new Map<string, Map<number, number>>();
  const count = (who: string, all: readonly number[]) => {
    const counted = statuses.get(who) ?? new Map<number, number>();
    for (const status of all) counted.set(status, (counted.get(status) ?? 0) + 1);
    statuses.set(who, counted);
  };
  const { address, domain } = system;
  const options = `silent\nmax-time = 20\ncacert = "${authorityFile(home)}"\nresolve = "${domain}:443:${address}"\nurl = "https://${domain}${path}"\noutput = "/dev/null"\nwrite-out = "%{http_code}\\n"`;
  // From this machine's own address, which is the one that deploys.
  const operator = async () => {
    const { stdout } = await execa("curl", ["--config", "-"], {
      input: Array.from({ length: 10 }, () => options).join("\nnext\n"),
    });
    return stdout.trim().split("\n").map(Number);
  };
  const until = Date.now() + minutes * 60_000;
  const asking = (async () => {
    while (Date.now() < until) {
      count("the address that deploys", await operator());
      count("a colleague", await colleague.ask(path, { count: 10 }));
      await sleep(1000);
    }
  })();
  await sleep(60_000);
  const during = await labOk("up", "--set", "togather:app.version=v1.1.0");
  await asking;
  const after = await labOk("up", "--set", "togather:app.version=v1.0.0");
  for (const [who, counted] of statuses) {
    process.stdout.write(`${who}: ${[...counted].map(([status, of]) => `${of} x ${status}`).join(", ")}\n`);
    expect(counted.get(429) ?? 0).toBeGreaterThan(100);
    expect([...counted.keys()].filter((status) => status !== 200 && status !== 429)).toEqual([]);
  }
  process.stdout.write(
    `deployed meanwhile in ${during.seconds.toFixed(1)} s, afterwards in ${after.seconds.toFixed(1)} s\n`,
  );
  expect(await colleague.ask("/health")).toEqual([200]);
  for (const jail of ["berth-edge", "sshd"])
    expect(await onMachine(`sudo fail2ban-client get ${jail} banip`)).not.toMatch(/\d/);
  await colleague.close();
});
