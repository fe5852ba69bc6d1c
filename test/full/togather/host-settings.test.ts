import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { canGrowMounted } from "../../../lab/machine/volumes.ts";
import { cloudEndpoint, cloudToken } from "../../../lab/stack/cloud-access.ts";
import { addressOf } from "../clients.ts";
import { sql } from "../database.ts";
import { leftovers } from "../leftovers.ts";
import { scenarios } from "../search.ts";
import { home, lab, labOk, onMachine, togather } from "../support.ts";
import { expectNoFailure, underLoad } from "../under-load.ts";

/** A host after its first day: keys, sshd's port, jails and the volume change under load, and nobody is locked out. */

scenarios();

const folder = mkdtempSync(join(tmpdir(), "berth-host-settings-"));
const identity = join(folder, "colleague");
let colleague: string;
let own: string;
beforeAll(() => {
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "colleague", "-f", identity]);
  colleague = readFileSync(`${identity}.pub`, "utf8").trim();
  own = readFileSync(join(home.stateDir, "id_ed25519.pub"), "utf8").trim();
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What `ssh` says with a key at a port: the name of the user, or why not. */
async function comesIn(key: string, port = 22): Promise<string> {
  const { address } = await togather();
  const options = [
    ...["BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"],
    ...["ControlPath=none", "ConnectTimeout=5", "IdentitiesOnly=yes", `IdentityFile=${key}`],
  ].flatMap((option) => ["-o", option]);
  const { all } = await execa("ssh", [...options, "-p", String(port), `deploy@${address}`, "id -un"], {
    all: true,
    reject: false,
    timeout: 20_000,
  });
  return String(all);
}

async function keysAtHetzner(): Promise<string[]> {
  const answer = await fetch(`${cloudEndpoint(home)}/ssh_keys`, {
    headers: { authorization: `Bearer ${cloudToken(home)}` },
  });
  const { ssh_keys: all } = (await answer.json()) as { ssh_keys: { public_key: string }[] };
  return all.map(({ public_key: key }) => key);
}

const keys = (...list: string[]) => ["--set", `berth:ssh.authorizedKeys=${JSON.stringify(list)}`];
const host = (name: string, value: string | number) => ["--set", `berth:hosts.main.${name}=${value}`];
const history = () => onMachine("sudo cat /var/lib/berth/deployments/togather_app.history.jsonl | wc -l");
const mine = join(home.stateDir, "id_ed25519");

/** An `up` under load that changes the host alone: no request fails, no step of a release runs, and a second one has nothing to do. */
async function upUnderLoad(title: string, ...settings: string[]): Promise<void> {
  const before = await history();
  const { load } = await underLoad(title, () => labOk("up", ...settings));
  expectNoFailure(load);
  expect(await history()).toBe(before);
  await labOk("preview", "--expect-no-changes", ...settings);
}

describe("a key", () => {
  test("that is added comes in, and is at Hetzner", async () => {
    await upUnderLoad("a key is added", ...keys(colleague));
    expect(await comesIn(identity)).toBe("deploy");
    expect(await keysAtHetzner()).toEqual(expect.arrayContaining([colleague, own]));
  });

  test("that is removed is out, at Hetzner too, wherever it stood in the list", async () => {
    await upUnderLoad("a key is removed");
    expect(await comesIn(identity)).toContain("Permission denied (publickey)");
    expect(await keysAtHetzner()).toEqual([own]);
  });

  test("that is removed by a run that would lock everybody out stays, and so does the port", async () => {
    await labOk("up", ...keys(colleague));
    // Something between the operator and the host lets the new port not pass.
    const drop = (action: "-I" | "-D") =>
      onMachine(`sudo iptables ${action} INPUT -p tcp --dport 2223 -j DROP`);
    await drop("-I");
    const { exitCode, output } = await lab("up", ...host("sshPort", 2223), ...host("sshPortBefore", 22));
    await drop("-D");
    expect(exitCode).toBe(1);
    expect(output).toContain(
      "nobody comes in with the new keys and settings of sshd, so the old ones are back",
    );
    expect([await comesIn(mine), await comesIn(identity)]).toEqual(["deploy", "deploy"]);
    expect(await comesIn(mine, 2223)).toContain("refused");
    const left = "systemctl list-timers --no-legend berth-access-undo.timer; sudo ls /var/lib/berth";
    expect(await onMachine(left)).not.toContain("access");
    await labOk("up");
    expect(await comesIn(identity)).toContain("Permission denied (publickey)");
  });
});

describe("another port of sshd", () => {
  test("at once is refused at preview, and changes nothing", async () => {
    const { exitCode, output } = await lab("preview", ...host("sshPort", 2222));
    expect(exitCode).toBe(1);
    expect(output).toContain("First set sshPortBefore: 22 beside it");
    expect(await comesIn(mine)).toBe("deploy");
  });

  test("takes two runs, without a step of a release", async () => {
    const both = [...host("sshPort", 2222), ...host("sshPortBefore", 22)];
    await upUnderLoad("sshd on two ports", ...both);
    expect([await comesIn(mine, 22), await comesIn(mine, 2222)]).toEqual(["deploy", "deploy"]);
    await upUnderLoad("sshd on the new port", ...host("sshPort", 2222));
    expect(await comesIn(mine, 2222)).toBe("deploy");
    expect(await comesIn(mine, 22)).toMatch(/timed out|refused/);
  });

  test("and back again", async () => {
    await labOk("up", ...host("sshPort", 22), ...host("sshPortBefore", 2222));
    await labOk("up");
    expect(await comesIn(mine)).toBe("deploy");
  });
});

test("a volume that is enlarged has its room on the host", async () => {
  const gigabytes = async () =>
    Number(await onMachine("df --block-size=1G --output=size /mnt/data | tail -n 1"));
  const before = await gigabytes();
  if (!(await canGrowMounted())) {
    process.stdout.write("the file system is not enlarged: this machine withholds CAP_SYS_RESOURCE\n");
    const { exitCode, output } = await lab("up", ...host("volumeGigabytes", 50));
    expect(exitCode).toBe(1);
    expect(output).toContain("lets nobody enlarge a file system that is mounted");
    return;
  }
  await upUnderLoad("the volume is enlarged", ...host("volumeGigabytes", 50));
  expect(await gigabytes()).toBeGreaterThan(before + 8);
});

test("the jails follow who may deploy, and bans stay", async () => {
  await onMachine("sudo fail2ban-client set sshd banip 192.0.2.7");
  const { address } = await togather();
  const from = [`${address.replace(/\.\d+$/, ".0")}/24`, `${addressOf(150)}/32`];
  await upUnderLoad("the jails change", ...host("sshAllowedFrom", JSON.stringify(from)));
  expect(await onMachine("sudo fail2ban-client get berth-edge ignoreip")).toContain(addressOf(150));
  expect(await onMachine("sudo fail2ban-client get sshd banip")).toContain("192.0.2.7");
});

test("what somebody changed by hand is put right when the settings change", async () => {
  await onMachine("echo 'MaxAuthTries 9' | sudo tee -a /etc/ssh/sshd_config.d/10-berth.conf");
  await upUnderLoad("a file was changed by hand", ...keys(colleague));
  expect(await onMachine("sudo grep -c MaxAuthTries /etc/ssh/sshd_config.d/10-berth.conf")).toBe("1");
});

test("a larger server: the preview names the outage; data and services are there afterwards, and a second up has nothing to do", async () => {
  const before = await togather();
  const rows = await sql("SELECT count(*) FROM events");
  const larger = host("serverType", "cx43");
  const preview = await labOk("preview", ...larger);
  expect(preview.output).toMatch(
    /main-server is powered off in this run, without a shutdown, and on again, because it becomes a cx43 instead of a cx33/,
  );
  expect(preview.output).not.toMatch(/replace/);
  const { result, load } = await underLoad("a larger server", () => labOk("up", ...larger));
  process.stdout.write(
    `the up took ${result.seconds.toFixed(1)} s, the longest gap ${load.longestGapMs / 1000} s\n`,
  );
  expect(await togather()).toEqual(before);
  expect(Number(await sql("SELECT count(*) FROM events"))).toBeGreaterThanOrEqual(Number(rows));
  await labOk("preview", "--expect-no-changes", ...larger);
  expect(await leftovers()).toEqual([]);
});
