import { z } from "zod";
import { listFilesScript } from "../components/host/kept-files.ts";
import { hostPaths } from "../components/host/paths.ts";
import { renderTable } from "../components/table.ts";
import type { Backend } from "./backend.ts";
import { type Deployment, resourceName, resources } from "./deployment.ts";
import { hostName, hostsOf } from "./host-access.ts";
import type { RunCommand } from "./run.ts";

/** What `up` would do to a resource. */
export interface ResourceDrift {
  readonly op: string;
  readonly urn: string;
  /** Changed properties; never their values, which may be secret. */
  readonly properties: readonly string[];
}

/** A file of a host that is not as Berth has written it. */
export interface FileDrift {
  readonly host: string;
  /** Resource that wrote it. */
  readonly command: string;
  readonly path: string;
  readonly what: "changed" | "gone" | "not Berth's";
}

const commandType = "command:local:Command";
const serverType = "hcloud:index/server:Server";

const step = z.object({
  op: z.string(),
  urn: z.string(),
  diffReasons: z.array(z.string()).nullish(),
  oldState: z
    .object({ outputs: z.looseObject({ firewallIds: z.array(z.number()).optional() }).nullish() })
    .nullish(),
  newState: z
    .object({ inputs: z.looseObject({ firewallIds: z.array(z.number()).optional() }).nullish() })
    .nullish(),
});
const preview = z.object({ steps: z.array(step) });

/**
 * The changes in what `pulumi preview --refresh --json` prints. A server is as it should be when all that it has beside its own firewall is
 * what `ssh-open` put there, perhaps for this very check.
 * @param openFirewalls ids of the firewalls of `ssh-open`
 * @throws when it is no preview
 */
export function resourceDrift(json: string, openFirewalls: readonly number[]): ResourceDrift[] {
  return preview
    .parse(JSON.parse(json))
    .steps.filter(({ op }) => !["same", "refresh", "read"].includes(op))
    .filter((each) => !isSshOpen(each, openFirewalls))
    .map(({ op, urn, diffReasons }) => ({ op, urn, properties: diffReasons ?? [] }));
}

function isSshOpen(
  { urn, diffReasons, oldState, newState }: z.infer<typeof step>,
  open: readonly number[],
): boolean {
  if (!urn.includes(`${serverType}::`) || diffReasons?.join() !== "firewallIds") return false;
  const own = newState?.inputs?.firewallIds;
  const found = oldState?.outputs?.firewallIds;
  if (own === undefined || found === undefined) return false;
  return own.every((id) => found.includes(id)) && found.every((id) => own.includes(id) || open.includes(id));
}

const script = `${listFilesScript}
sudo find ${hostPaths.filesRecords} -type f ! -name '*.new' 2>/dev/null | sort | while IFS= read -r record; do
  printf 'command %s\\n' "$(basename "$record")"
  sudo cat "$record"
  echo now
  sudo sed -n 's/^# //p' "$record" | list_files
done
`;

/** Compares the files of each host with what was recorded when they were written. Changes nothing. */
export async function fileDrift(deployment: Deployment, run: RunCommand): Promise<FileDrift[]> {
  const found = await Promise.all(
    hostsOf(deployment, run).map(async (host) => compareFiles(hostName(host), await host.run(script, 120))),
  );
  return found.flat();
}

/** @param listed per command: `command <name>`, its record, `now`, and the same list of now */
export function compareFiles(host: string, listed: string): FileDrift[] {
  return listed.split(/^command /m).flatMap((part) => {
    const [head = "", ...lines] = part.split("\n");
    const command = head.trim();
    if (command === "") return [];
    const middle = lines.indexOf("now");
    const before = files(lines.slice(0, middle));
    const now = files(lines.slice(middle + 1));
    return [...new Set([...before.keys(), ...now.keys()])].sort().flatMap((path) => {
      if (before.get(path) === now.get(path)) return [];
      const what = !now.has(path) ? "gone" : before.has(path) ? "changed" : "not Berth's";
      return [{ host, command, path, what } as const];
    });
  });
}

/** Mode and checksum by path. */
function files(lines: readonly string[]): Map<string, string> {
  return new Map(
    lines.flatMap((line) => {
      const [, mode, sum, path] = /^([0-7]+) \\?([0-9a-f]{64}) [ *](.+)$/.exec(line) ?? [];
      return path === undefined ? [] : [[path, `${mode} ${sum}`] as const];
    }),
  );
}

/**
 * The deployment without what the commands of these files have done, so that the next `up` does it again. As a refresh does for a resource that
 * can be read: the state says what is there.
 */
export function forgetCommands(deployment: Deployment, drift: readonly FileDrift[]): Deployment {
  const commands = new Set(drift.map(({ command }) => command));
  const { resources: _, ...rest } = deployment.deployment;
  return {
    ...deployment,
    deployment: {
      ...rest,
      resources: resources(deployment).map((resource) => {
        const { urn, type, delete: old } = resource;
        if (type !== commandType || old || !commands.has(resourceName(urn))) return resource;
        const { inputs, outputs } = resource;
        // Another input is what makes it run; without its output it does not find that it has run already (components/host/command.ts).
        return {
          ...resource,
          inputs: { ...inputs, stdin: "" },
          outputs: { ...outputs, stdin: "", stdout: "" },
        };
      }),
    },
  };
}

/** {@link forgetCommands}, recorded. @throws when another run has changed the state meanwhile */
export async function forget(backend: Backend, drift: readonly FileDrift[]): Promise<void> {
  const deployment = await backend.read();
  await backend.write(forgetCommands(deployment, drift), deployment);
}

export function renderDrift(resources: readonly ResourceDrift[], files: readonly FileDrift[]): string {
  const short = (urn: string) => `${urn.split("::").at(-2)?.split("$").at(-1)} ${resourceName(urn)}`;
  const parts = [
    ...(resources.length === 0
      ? []
      : [
          renderTable(
            ["up would", "resource", "because of"],
            resources.map(({ op, urn, properties }) => [op, short(urn), properties.join(", ")]),
          ),
        ]),
    ...(files.length === 0
      ? []
      : [
          renderTable(
            ["host", "file", "is", "written by"],
            files.map(({ host, path, what, command }) => [host, path, what, command]),
          ),
        ]),
  ];
  return parts.length === 0 ? "Nothing differs." : parts.join("\n\n");
}
