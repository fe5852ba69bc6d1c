/** Programs and sources for stand-ins, built or fetched on this machine with its package clients, once, and kept in the cache. */
import { access, cp, mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { GoTool } from "../apps/application.ts";
import { hostPath } from "../docker/host.ts";
import type { LabHome } from "../home.ts";
import type { Progress } from "../progress.ts";

/** Let's Encrypt's ACME server for tests; https://github.com/letsencrypt/pebble/releases. */
export const pebble: GoTool = {
  command: "pebble",
  package: "github.com/letsencrypt/pebble/v2/cmd/pebble",
  version: "v2.10.1",
  versionVariable: "main.version",
  goVersion: "1.25",
};

/** The crate that contains nginx's source; https://crates.io/crates/nginx-src. Its build metadata names nginx's version. */
export const nginxCrateVersion = "1.28.5";
export const nginxVersion = "1.28.3";

/** A command from Go's module proxy, statically linked. @returns the path of the binary. */
export async function goBinary(home: LabHome, tool: GoTool, progress: Progress): Promise<string> {
  const { command, version, tags = [], versionVariable } = tool;
  const folder = join(home.cacheDir, "tools", `${command}-${version}`);
  await once(folder, `building ${command} ${version} with go`, progress, async (scratch) => {
    const flags = `-s -w${versionVariable === undefined ? "" : ` -X ${versionVariable}=${version}`}`;
    await run("go", `the command ${command}`, `Go ${tool.goVersion} or newer (https://go.dev/dl)`, {
      args: [
        "install",
        "-trimpath",
        `-tags=${tags.join(",")}`,
        "-ldflags",
        flags,
        `${tool.package}@${version}`,
      ],
      env: { GOBIN: scratch, CGO_ENABLED: "0", GOFLAGS: "" },
      cwd: scratch,
    });
  });
  return join(folder, command);
}

/** nginx's source tree, from the crate `nginx-src`. */
export async function nginxSource(home: LabHome, progress: Progress): Promise<string> {
  const folder = join(home.cacheDir, "tools", `nginx-src-${nginxCrateVersion}`);
  await once(folder, "fetching nginx's source with cargo", progress, async (scratch) => {
    const project = await mkdtemp(join(scratch, "cargo-"));
    await writeFile(join(project, "lib.rs"), "");
    await writeFile(
      join(project, "Cargo.toml"),
      `[package]\nname = "berth-lab-nginx"\nversion = "0.0.0"\nedition = "2021"\n[lib]\npath = "lib.rs"\n` +
        `[dependencies]\nnginx-src = "=${nginxCrateVersion}"\n`,
    );
    await run("cargo", "nginx's source", "Rust's cargo (apt-get install cargo, or https://rustup.rs)", {
      args: ["vendor", "--quiet", "vendor"],
      cwd: project,
    });
    await cp(join(project, "vendor", "nginx-src", "nginx"), scratch, { recursive: true });
    await rm(project, { recursive: true });
  });
  return folder;
}

/** Traefik's version in lab/images/traefik/go.mod. */
export const traefikVersion = "3.6.12";
const traefikGoVersion = "1.25";
/** Measured: 6 minutes on two idle cores with an empty cache. */
const traefikBuildSeconds = 2400;

/**
 * Traefik, built from the Go module proxy with the lab's own module. @returns the path of the binary.
 * @param moduleFile its go.mod
 * @throws how to install Go, when it is missing or too old.
 */
export async function traefikBinary(home: LabHome, moduleFile: string, progress: Progress): Promise<string> {
  const folder = join(home.cacheDir, "tools", `traefik-${traefikVersion}`);
  const what = `building Traefik ${traefikVersion} with go, once (6 minutes or more)`;
  await once(folder, what, progress, async (scratch) => {
    const install = `Go ${traefikGoVersion} or newer (https://go.dev/dl)`;
    const { execa } = await import("execa");
    const { stdout = "" } = await execa("go", ["env", "GOVERSION"], {
      reject: false,
      env: { PATH: hostPath },
    });
    const [, major = "1", minor = "0"] = /^go(\d+)\.(\d+)/.exec(stdout) ?? [];
    if (stdout !== "" && Number(major) === 1 && Number(minor) < 25) {
      throw new Error(
        `Traefik is built with Go ${traefikGoVersion} or newer, and this is ${stdout}: install ${install}`,
      );
    }
    const project = await mkdtemp(join(scratch, "module-"));
    await cp(moduleFile, join(project, "go.mod"));
    const packageName = "github.com/traefik/traefik/v3";
    await run("nice", "Traefik", install, {
      args: [
        ...["-n", "10", "go", "build", "-mod=mod", "-trimpath"],
        ...["-ldflags", `-s -w -X ${packageName}/pkg/version.Version=${traefikVersion}`],
        ...["-o", join(scratch, "traefik"), `${packageName}/cmd/traefik`],
      ],
      cwd: project,
      env: { CGO_ENABLED: "0", GOFLAGS: "" },
      timeoutSeconds: traefikBuildSeconds,
    });
    await rm(project, { recursive: true });
  });
  return join(folder, "traefik");
}

async function once(
  folder: string,
  what: string,
  progress: Progress,
  make: (scratch: string) => Promise<void>,
): Promise<void> {
  const complete = await access(folder).then(
    () => true,
    () => false,
  );
  if (complete) return;
  await mkdir(join(folder, ".."), { recursive: true });
  const scratch = await mkdtemp(`${folder}-`);
  try {
    progress(what);
    await withElapsedTime(what, progress, () => make(scratch));
    await rename(scratch, folder).catch((error: NodeJS.ErrnoException) => {
      // Another process has built it in the meantime.
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
    });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function withElapsedTime<T>(what: string, progress: Progress, work: () => Promise<T>): Promise<T> {
  const started = Date.now();
  const tick = setInterval(() => progress(`${what} (${Math.round((Date.now() - started) / 1000)} s)`), 5_000);
  try {
    return await work();
  } finally {
    clearInterval(tick);
  }
}

async function run(
  command: string,
  purpose: string,
  install: string,
  options: {
    readonly args: readonly string[];
    readonly cwd?: string;
    readonly env?: Readonly<Record<string, string>>;
    /** Default 600. */
    readonly timeoutSeconds?: number;
  },
): Promise<void> {
  const { execa } = await import("execa");
  const result = await execa(command, options.args, {
    reject: false,
    all: true,
    timeout: (options.timeoutSeconds ?? 600) * 1000,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { PATH: hostPath, ...options.env },
  });
  if (!result.failed) return;
  if (result.code === "ENOENT") {
    throw new Error(`${command} is not installed, and ${purpose} comes from it: install ${install}`);
  }
  const lines = (result.all || String(result.shortMessage)).trim().split("\n").slice(-8).join("\n");
  throw new Error(
    `${command} failed while making ${purpose} (${String(result.shortMessage).split("\n")[0]}):\n${lines}`,
  );
}

/** The running Node, which application stand-ins contain: a binary that depends only on the C++ library. */
export function nodeBinary(): { path: string; version: string } {
  if (Number(process.versions.node.split(".")[0]) < 24) {
    throw new Error(
      `the lab needs Node 24 or newer, this is ${process.version}: start it with npm run, or with node_modules/.bin/node`,
    );
  }
  return { path: process.execPath, version: process.version };
}
