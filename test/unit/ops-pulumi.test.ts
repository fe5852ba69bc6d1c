import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { hostname, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isStale, StateMovedError } from "../../ops/backend.ts";
import { opsProgram } from "../../ops/program.ts";
import { PulumiBackend } from "../../ops/pulumi-backend.ts";
import { readPulumiLocks } from "../../ops/pulumi-locks.ts";
import { CommandError, type RunCommand } from "../../ops/run.ts";
import { packageFoldersLast } from "../../ops/search-path.ts";
import { pulumiTarget } from "../../ops/target.ts";
import { deployment, service } from "./ops-fixtures.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "berth-pulumi-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A process id that never exists: above Linux's maximum. */
const deadPid = 2 ** 22 + 1;

/** The format of pkg/backend/diy/lock.go. */
const lockText = JSON.stringify({
  pid: deadPid,
  username: "anna",
  hostname: hostname(),
  timestamp: "2026-01-28T12:00:00.123456789Z",
});
const anna = {
  owner: `anna@${hostname()}`,
  host: hostname(),
  pid: deadPid,
  since: "2026-01-28T12:00:00.123456789Z",
};

function putLock(stack = "production", name = "1f2e"): string {
  const file = join(folder, ".pulumi/locks/organization/berth", stack, `${name}.json`);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, lockText);
  return file;
}

/** A pulumi with this state, which records its calls. */
function fakePulumi(more: { url?: string; states?: object[]; runs?: string[]; busy?: boolean } = {}) {
  const {
    url = `file://${folder}`,
    states = [deployment([])],
    runs = ["2026-01-28T12:00:00.000Z"],
    busy,
  } = more;
  const calls: string[] = [];
  const imported: object[] = [];
  const run: RunCommand = async (command, args, { input }) => {
    expect(command).toBe("pulumi");
    calls.push(args.filter((argument) => !argument.startsWith("-")).join(" "));
    switch (args.slice(0, 2).join(" ")) {
      case "version":
        return "v3.265.0\n";
      case "whoami --json":
        return JSON.stringify({ user: "anna", url });
      case "stack export":
        return JSON.stringify(states.length > 1 ? states.shift() : states[0]);
      case "stack history": {
        const startTime = runs.length > 1 ? runs.shift() : runs[0];
        return JSON.stringify([{ kind: "update", startTime, version: 3 }]);
      }
      case "stack ls":
        return JSON.stringify([
          { name: "staging", current: false, updateInProgress: true },
          { name: "production", current: true, updateInProgress: busy ?? false },
        ]);
      case "stack import":
        imported.push(JSON.parse(input ?? ""));
        return "";
      default:
        return "";
    }
  };
  return { run, calls, imported };
}

const backend = (run: RunCommand) => new PulumiBackend("berth", "production", run);

describe("the deploy lock of a stack of Pulumi's", () => {
  test("is read from its file; nothing is exported, imported or written", async () => {
    putLock();
    const { run, calls } = fakePulumi();
    const before = readdirSync(folder, { recursive: true });
    const held = await backend(run).lock();
    expect(held).toEqual(anna);
    expect(held && isStale(held)).toBe(true);
    expect(calls).toEqual(["whoami"]);
    expect(readdirSync(folder, { recursive: true })).toEqual(before);
  });

  test("of another stack or another project is not this one's", async () => {
    putLock("staging");
    putLock("../other/production");
    expect(await backend(fakePulumi().run).lock()).toBeUndefined();
  });

  test("in a backend without projects is found too", async () => {
    const file = join(folder, ".pulumi/locks/production/1f2e.json");
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, lockText);
    expect(await readPulumiLocks(`file://${folder}?no_tmp_dir=true`, "berth", "production")).toEqual([anna]);
  });

  test("that Pulumi did not write is reported with its file", async () => {
    const file = putLock();
    writeFileSync(file, "{}");
    await expect(readPulumiLocks(`file://${folder}`, "berth", "production")).rejects.toThrow(
      `${file} is not a lock that Pulumi wrote; if nothing is deploying, remove it: pulumi cancel`,
    );
  });

  test("in Pulumi Cloud is read from its list of stacks", async () => {
    const url = "https://app.pulumi.com/anna";
    expect(await backend(fakePulumi({ url, busy: true }).run).lock()).toEqual({ owner: "pulumi-cloud" });
    expect(await backend(fakePulumi({ url }).run).lock()).toBeUndefined();
  });

  test("in a backend that Berth cannot read is an error that says so, without credentials", async () => {
    await expect(readPulumiLocks("azblob://user:word@state?key=x", "berth", "production")).rejects.toThrow(
      "the deploy lock of a stack in azblob://state cannot be read; Berth reads those of file://, s3:// and Pulumi Cloud",
    );
  });

  test("is removed by pulumi cancel", async () => {
    const { run, calls } = fakePulumi();
    await backend(run).removeLock();
    expect(calls).toEqual(["cancel production"]);
  });
});

describe("in a bucket", () => {
  const servers: Server[] = [];
  const variables = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] as const;
  const before = variables.map((name) => process.env[name]);
  beforeEach(() => {
    for (const name of variables) process.env[name] = "test-only";
  });
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
    variables.forEach((name, index) => {
      if (before[index] === undefined) delete process.env[name];
      else process.env[name] = before[index];
    });
  });

  test("the lock is found below the bucket's path, by reading requests alone", async () => {
    const requests: string[] = [];
    const key = "state/.pulumi/locks/organization/berth/production/1f2e.json";
    const server = createServer((request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? "", "http://x");
      requests.push(`${request.method} ${pathname} ${searchParams.get("prefix") ?? ""}`.trim());
      if (pathname === `/berth-state/${key}`) return response.end(lockText);
      const found = key.startsWith(searchParams.get("prefix") ?? "");
      const contents = found ? `<Contents><Key>${key}</Key><Size>1</Size></Contents>` : "";
      return response.end(
        `<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${contents}</ListBucketResult>`,
      );
    }).listen(0, "127.0.0.1");
    servers.push(server);
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as AddressInfo;
    const url = `s3://berth-state/state?endpoint=127.0.0.1:${port}&disableSSL=true&s3ForcePathStyle=true&region=fsn1`;
    expect(await backend(fakePulumi({ url }).run).lock()).toEqual(anna);
    expect(requests).toEqual([
      "GET /berth-state/ state/.pulumi/locks/organization/berth/production/",
      `GET /berth-state/${key}`,
      "GET /berth-state/ state/.pulumi/locks/production/",
    ]);
  });
});

describe("a change of the state", () => {
  const before = deployment([]);
  const ours = deployment([service("ours", { id: "1" })]);
  const theirs = deployment([service("theirs", { id: "2" })]);

  test("is imported when the state has not changed", async () => {
    const { run, imported } = fakePulumi({ states: [before] });
    await backend(run).write(ours, before);
    expect(imported).toEqual([ours]);
  });

  test("is refused when a run has changed the state since, or holds the lock", async () => {
    const changed = fakePulumi({ states: [theirs] });
    await expect(backend(changed.run).write(ours, before)).rejects.toThrow(StateMovedError);
    putLock();
    const busy = fakePulumi({ states: [before] });
    await expect(backend(busy.run).write(ours, before)).rejects.toThrow(`anna@${hostname()} has begun a run`);
    expect([...changed.imported, ...busy.imported]).toEqual([]);
  });

  test("is reported when a whole run took place between the check and the import", async () => {
    const { run } = fakePulumi({ states: [before], runs: ["first", "second"] });
    await expect(backend(run).write(ours, before)).rejects.toThrow("a run ended while it was written");
  });
});

describe("npm run ops", () => {
  test("takes an installed pulumi before the launcher that npm puts in front of the PATH", () => {
    expect(packageFoldersLast("/p/node_modules/.bin:/node_modules/.bin:/opt/pulumi:/usr/bin")).toBe(
      "/opt/pulumi:/usr/bin:/p/node_modules/.bin:/node_modules/.bin",
    );
  });

  test("first prints the stack and its backend", async () => {
    const said: string[] = [];
    await pulumiTarget(".", "production", fakePulumi().run, (sentence) => said.push(sentence));
    expect(said).toEqual([`Acting on the stack production in file://${folder} (pulumi v3.265.0).`]);
  });

  test("looks for drift by a preview that refreshes with the program, which has the way to the databases", async () => {
    const asked: string[] = [];
    const run: RunCommand = async (command, args) => {
      asked.push([command, ...args].join(" "));
      return args[0] === "whoami" ? '{"url":"file:///srv/state"}' : '{"steps":[]}';
    };
    const { refreshedPreview } = await pulumiTarget(".", "production", run);
    asked.length = 0;
    await refreshedPreview?.();
    expect(asked).toEqual([
      "pulumi preview --refresh --run-program --json --stack production --non-interactive",
    ]);
  });

  test.each(["not found on the PATH; install it", "pulumi: getaddrinfo ENOTFOUND"])(
    "refuses a pulumi that cannot run (%s) instead of acting on something else",
    async (reason) => {
      const run: RunCommand = async () => {
        throw new CommandError("pulumi", reason);
      };
      const failure = pulumiTarget(".", "production", run);
      await expect(failure).rejects.toThrow("pulumi cannot be run here. Nothing was done.");
      await expect(failure).rejects.toThrow(reason);
      await expect(failure).rejects.toThrow("npm run lab -- ops");
    },
  );

  test("refuses every command before it does anything where no pulumi runs", async () => {
    const run: RunCommand = async () => {
      throw new CommandError("pulumi", "not found on the PATH");
    };
    const program = () =>
      opsProgram({ name: "npm run ops --", target: ({ stack }) => pulumiTarget(".", stack, run) });
    const values: Record<string, string> = {
      ...{ "--from": "203.0.113.7", "--to": "1", "--at": "1" },
      "point-in-time --at": "2026-01-01T00:00:00Z",
    };
    // One is for where there is no Pulumi: it reads the store of backups alone.
    const names = program()
      .commands.map((command) => command.name())
      .filter((name) => name !== "saved-state");
    expect(names.length).toBeGreaterThan(8);
    for (const name of names) {
      const command = program().commands.find((each) => each.name() === name);
      const options = command?.options.filter(({ mandatory }) => mandatory) ?? [];
      const args = [
        name,
        ...(command?.registeredArguments.filter(({ required }) => required) ?? []).map(() => "togather"),
        ...options.flatMap(({ long = "" }) => [long, values[`${name} ${long}`] ?? values[long] ?? "none"]),
      ];
      await expect(program().parseAsync(args, { from: "user" }), args.join(" ")).rejects.toThrow(
        "pulumi cannot be run here. Nothing was done.",
      );
    }
  });
});
