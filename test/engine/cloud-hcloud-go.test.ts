/**
 * Tests the lab's cloud with Hetzner's own Go client: lab/cloud/hcloud-go holds the Go tests. Needs Go and its modules (the
 * module cache, or a proxy that answers); without them it is skipped with a message.
 */
import { join } from "node:path";
import { execa } from "execa";
import { test } from "vitest";
import { startCloud, token } from "../unit/cloud-recording.ts";

const module = join(import.meta.dirname, "../../lab/cloud/hcloud-go");
const timeoutMilliseconds = 300_000;

function go(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return execa("go", args, { cwd: module, env, all: true, reject: false, timeout: timeoutMilliseconds });
}

test("hcloud-go works with the lab's cloud", { timeout: 2 * timeoutMilliseconds }, async (context) => {
  const modules = await go(["mod", "download"]);
  if (modules.failed) {
    const reason = `needs Go with its modules: ${modules.all || modules.shortMessage}`.split("\n")[0] ?? "";
    console.log(`skipped: hcloud-go ${reason}`);
    context.skip(reason);
  }
  const cloud = await startCloud();
  try {
    const { failed, all } = await go(["test", "-count=1", "."], {
      HCLOUD_ENDPOINT: cloud.url,
      HCLOUD_TOKEN: token,
    });
    if (failed) throw new Error(all);
  } finally {
    await cloud.close();
  }
});
