import { readdirSync, readFileSync, statSync } from "node:fs";
import { isIP } from "node:net";
import { join } from "node:path";

/** Searches for planted secrets in places where no secret may be. */

export interface Canary {
  /** `togather:jwtSecret`. */
  readonly key: string;
  readonly value: string;
}

/** Records every distinct argument list of every process, including those in the lab's machines, which share the kernel. */
export class ArgumentSampler {
  readonly #seen = new Set<string>();
  #timer: NodeJS.Timeout | undefined;

  start(intervalMs = 100): void {
    this.#timer ??= setInterval(() => this.#sample(), intervalMs);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  get text(): string {
    return [...this.#seen].join("\n");
  }

  get count(): number {
    return this.#seen.size;
  }

  #sample(): void {
    for (const name of readdirSync("/proc")) {
      if (!/^\d+$/.test(name)) continue;
      try {
        this.#seen.add(readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " "));
      } catch {
        // It ended meanwhile.
      }
    }
  }
}

/**
 * The canaries that the lab has planted, including earlier values of rotated secrets. An address is none: a scenario has set it, and names it
 * elsewhere too.
 */
export function plantedCanaries(stateDir: string): readonly Canary[] {
  const planted = JSON.parse(readFileSync(join(stateDir, "canaries.json"), "utf8")) as Canary[];
  return planted.filter(({ value }) => isIP(value) === 0);
}

/** Files in which a lab may keep secrets, readable only by their owner. */
const stores = /^(secrets-.*\.json|registry-login\.json|canaries\.json|passphrase|.*\.key|id_ed25519)$/;
const largestBytes = 50 * 1024 * 1024;

/** Text of every file of the lab's state beside its stores: logs, deployment, the cloud's state. */
export function stateTexts(stateDir: string): Map<string, string> {
  const texts = new Map<string, string>();
  for (const entry of readdirSync(stateDir, { withFileTypes: true })) {
    const path = join(stateDir, entry.name);
    if (!entry.isFile() || stores.test(entry.name) || statSync(path).size > largestBytes) continue;
    texts.set(path, readFileSync(path, "utf8"));
  }
  return texts;
}

/** Where a canary occurs, plain, in base64 or percent-encoded: `jwtSecret in the log of x`. Never contains its value. */
export function findCanaries(canaries: readonly Canary[], texts: ReadonlyMap<string, string>): string[] {
  const found: string[] = [];
  for (const { key, value } of canaries) {
    for (const [place, text] of texts) {
      const form = Object.entries(forms(value)).find(([, needle]) => text.includes(needle))?.[0];
      if (form !== undefined) found.push(`${key} (${form}) in ${place}`);
    }
  }
  return found;
}

function forms(secret: string): Record<string, string> {
  // A key of several lines may be escaped or indented: one line of its middle is as good.
  const lines = secret.trim().split("\n");
  const value = lines[Math.floor(lines.length / 2)] ?? secret;
  // The last characters of base64 depend on what follows.
  const base64 = Buffer.from(value).toString("base64").slice(0, -4);
  return { "as it is": value, "in base64": base64, "percent-encoded": encodeURIComponent(value) };
}

/** Objects may be deleted between listing and reading: then everything is read again. */
const whole = (script: string) =>
  `tries=0; until found=$(${script}); do tries=$((tries + 1)); [ $tries -lt 5 ] || exit 1; sleep 1; done; printf '%s' "$found"`;

/** What can be read on a machine: specifications, containers, images, logs, journal, argument lists, route files. */
export const machineSources: Readonly<Record<string, string>> = {
  "service specifications": whole("docker service ls --quiet | xargs -r docker service inspect"),
  "service specifications before the last": whole(
    "docker service ls --quiet | xargs -r docker service inspect --format '{{json .PreviousSpec}}'",
  ),
  tasks: whole("docker node ps --quiet self | xargs -r docker inspect"),
  configs: whole("docker config ls --quiet | xargs -r docker config inspect"),
  "secrets as Docker shows them": whole("docker secret ls --quiet | xargs -r docker secret inspect"),
  containers: whole("docker ps --all --quiet | xargs -r docker inspect"),
  images: whole("docker image ls --quiet | sort -u | xargs -r docker image inspect"),
  "image histories":
    'for image in $(docker image ls --quiet | sort -u); do docker history --no-trunc "$image"; done',
  // Docker may end one early while a task of it is taken away; what came until then is searched.
  "service logs":
    'for service in $(docker service ls --quiet); do timeout 20 docker service logs --raw "$service" 2>&1 || true; done',
  journal: "sudo journalctl --no-pager --quiet",
  "argument lists": "ps axww -o args",
  "deployment logs": "sudo sh -c 'cat /var/log/*/deployments/* 2>/dev/null' || true",
  "records of deployments":
    "sudo sh -c 'cat /var/lib/berth/deployments/* /var/lib/berth/deployments/*/*' 2>/dev/null || true",
  "log files":
    "sudo find /var/log -ignore_readdir_race -type f -not -path '/var/log/journal/*' -size -20M -exec cat {} ';'",
  "temporary files": "sudo find /tmp /var/tmp -ignore_readdir_race -type f -size -20M -exec cat {} ';'",
  "the edge's configuration":
    "sudo sh -c 'cat /var/lib/berth/edge/*.conf /var/lib/berth/edge/*/*.conf /var/lib/berth/edge/*/*/*.conf' 2>/dev/null || true",
};
