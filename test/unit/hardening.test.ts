import { expect, test } from "vitest";
import { parse } from "yaml";
import { cloudInit } from "../../components/host/cloud-init.ts";
import { hostFiles } from "../../components/host/host-files.ts";
import { isWritten } from "../full/hardening/checks.ts";
import { checks } from "../full/hardening/index.ts";
import { controlLists, idsOf, problemsOf, securityPage } from "../full/hardening/page.ts";

/** docs/security.md is complete: no control of a list is forgotten, none is passed without a check, none fails without a reason. */

const lists = controlLists(securityPage);

test("the page has the four lists, each control once, each passed one with a check and each other one with a reason", () => {
  expect(lists.map(({ name, count }) => [name, count])).toEqual([
    ["dev-sec/ssh-baseline", 71],
    ["dev-sec/linux-baseline", 59],
    ["docker/docker-bench-security", 122],
    ["dev-sec/cis-docker-benchmark", 106],
  ]);
  expect(problemsOf(lists, Object.keys(checks))).toEqual([]);
});

const args = { sshPorts: [22], sshAllowedFrom: [], ipv6: false };
test("what a machine of the lab cannot have is in what Berth writes, by cloud-init and on a running host", () => {
  const key = { hostKeyPrivate: "private", hostKeyPublic: "public", authorizedKeys: [], image: "debian-13" };
  const { write_files: written, runcmd } = parse(cloudInit({ ...args, ...key })) as {
    write_files: { path: string; content: string }[];
    runcmd: string[][];
  };
  for (const [id, check] of Object.entries(checks)) {
    if (!isWritten(check)) continue;
    const atFirst = written.find(({ path }) => path === check.path)?.content.split("\n");
    expect(atFirst, id).toEqual(expect.arrayContaining([...check.lines]));
    expect(hostFiles(args)[check.path]?.content.split("\n"), id).toEqual(atFirst);
  }
  expect(runcmd).toEqual([["/usr/local/sbin/berth-first-boot"]]);
  const firstBoot = written.find(({ path }) => path === "/usr/local/sbin/berth-first-boot")?.content;
  expect(firstBoot).toContain("\n/usr/lib/systemd/systemd-sysctl /etc/sysctl.d/90-berth.conf\n");
});

test("a range names every control from the one to the other, and refuses what is none", () => {
  expect(idsOf("5.9 to 5.11")).toEqual(["5.9", "5.10", "5.11"]);
  expect(idsOf("os-03b")).toEqual(["os-03b"]);
  expect(() => idsOf("5.9 to 6.11")).toThrow("not a range of controls: 5.9 to 6.11");
  expect(() => idsOf("5.9 to 5.9")).toThrow("not a range");
});

test("what is forgotten, unchecked or unexplained is named", () => {
  const page = (...rows: string[]) =>
    controlLists(["[l](https://github.com/o/list) at `1234567`: 3 controls.", ...rows].join("\n"));
  const right = ["| a-1 to a-2 | asks | passed |", "| b-1 | asks | A reason in a sentence. |"];
  expect(problemsOf(page(...right), ["a-1", "a-2"])).toEqual([]);
  expect(problemsOf(page(...right.slice(1), "| a-1 | asks | as a-2 |"), ["a-2"])).toEqual([
    "o/list has 3 controls, the page has rows for 2",
    "a-1 is as a-2, which has no row",
    "a-2 has a check and no row",
  ]);
  expect(problemsOf(page(...right, "| a-2 | asks | no |"), ["a-2", "b-1"])).toEqual([
    "o/list has 3 controls, the page has rows for 4",
    "a-2 has two rows",
    "a-1 is passed without a check",
    "b-1 has a check, and the page does not say that it is passed",
    "a-2 has a check, and the page does not say that it is passed",
  ]);
  expect(problemsOf(page("| a-1 to a-3 | asks | no |"), [])).toEqual([
    "a-1 has no reason: no",
    "a-2 has no reason: no",
    "a-3 has no reason: no",
  ]);
});
