/** Accepted differences, each with the reason why the program is not affected. One that no longer exists must be removed here. */
import type { FoundDifference } from "./lab.ts";

interface Accepted {
  readonly type: string;
  /** All of these, where left out. */
  readonly name?: string;
  readonly where: RegExp;
  readonly why: string;
}

const earlier = "what the real cloud refuses at `up`, the lab refuses at `preview` already";
const refusedBefore = "what the real plugin refuses at `up`, the lab refuses at `preview` already";
const stricter =
  "inputs that do not exist are dropped by the real plugin; TypeScript refuses them before that";

export const accepted: readonly Accepted[] = [
  {
    type: "command:local:Command",
    where: /^another trigger: diff$/,
    why: 'the SDK asks the engine for it (`replaceOnChanges: ["triggers[*]"]`); the lab\'s provider says so itself',
  },
  {
    type: "command:local:Command",
    name: "with an unknown logging",
    where: /^check$/,
    why: "the real plugin takes any text and logs all; TypeScript refuses it before that",
  },
  { type: "hcloud:index/primaryIp:PrimaryIp", name: "of a wrong type", where: /^check$/, why: earlier },
  { type: "hcloud:index/volume:Volume", name: "too small", where: /^check$/, why: earlier },
  { type: "hcloud:index/volume:Volume", name: "of a wrong format", where: /^check$/, why: earlier },
  { type: "hcloud:index/zone:Zone", name: "of a wrong mode", where: /^check$/, why: earlier },
  {
    type: "hcloud:index/zone:Zone",
    name: "without a name",
    where: /^check$/,
    why: "the real plugin makes up a name that is no domain, which Hetzner then refuses; the program names its zone",
  },
  {
    type: "postgresql:index/grant:Grant",
    name: "of a wrong privilege",
    where: /^check$/,
    why: refusedBefore,
  },
  {
    type: "postgresql:index/grant:Grant",
    name: "on a table without a schema",
    where: /^check$/,
    why: refusedBefore,
  },
  {
    type: "postgresql:index/grant:Grant",
    name: "on a database and a table",
    where: /^check$/,
    why: refusedBefore,
  },
  {
    type: "hcloud:index/server:Server",
    where: /^backups: check$/,
    why: "the lab's cloud makes no backups and says so; the program asks for none",
  },
  {
    type: "hcloud:index/firewall:Firewall",
    name: "with a source that is a host",
    where: /^the same again after a read$/,
    why: "after a refresh the lab sees 203.0.113.7 and 203.0.113.7/32 as two; config.ts takes blocks only",
  },
  {
    type: "random:index/randomPassword:RandomPassword",
    name: "with an input that does not exist",
    where: /^check$/,
    why: stricter,
  },
  {
    type: "tls:index/selfSignedCert:SelfSignedCert",
    where: /^an authority: check$/,
    why: "not part of the lab, which says so; the program's certificate is none",
  },
];

export const isAccepted = (difference: FoundDifference): boolean =>
  accepted.some(
    ({ type, name, where }) =>
      type === difference.type &&
      (name === undefined || name === difference.name) &&
      where.test(difference.where),
  );

/** One line a difference, for people. */
export function said({ type, name, where, real, lab }: FoundDifference): string {
  return `${type}, "${name}", ${where}: the real plugin: ${real}; the lab: ${lab}`;
}
