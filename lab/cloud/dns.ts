import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { type AddressInfo, createServer, type Socket } from "node:net";
import type { Cloud } from "./cloud.ts";
import {
  type DnsAnswer,
  type DnsRecord,
  type RecordType,
  readQuery,
  recordTypes,
  responseCodes,
  writeAnswer,
} from "./dns-message.ts";
import type { RrsetRecord, ZoneRecord } from "./state.ts";
import { soaValue } from "./zones.ts";

/** Without EDNS an answer over UDP has at most this many bytes. */
const udpLimit = 512;
const tcpLimit = 65_535;
const tcpIdleMilliseconds = 10_000;
/** A chain of CNAMEs longer than this is a loop. */
const longestChain = 8;

const isServed = (type: string): type is RecordType => recordTypes.some((served) => served === type);

/** A name within the zone, as in record sets: `@` for the zone itself. */
function relative(name: string, zone: ZoneRecord): string {
  return name === zone.name ? "@" : name.slice(0, -(zone.name.length + 1));
}

/** Names without a dot at the end are relative to the zone, as in a zone file. */
function absolute(value: string, zone: ZoneRecord): string {
  const target = value === "@" ? zone.name : value.endsWith(".") ? value : `${value}.${zone.name}`;
  return target.replace(/\.$/, "").toLowerCase();
}

function zoneOf(cloud: Cloud, name: string): ZoneRecord | undefined {
  return cloud.store.state.zones
    .filter((zone) => name === zone.name || name.endsWith(`.${zone.name}`))
    .sort((a, b) => b.name.length - a.name.length)[0];
}

/** The record sets of a name: its own or those of the nearest wildcard; undefined when there is no such name. */
function setsOf(cloud: Cloud, zone: ZoneRecord, name: string): RrsetRecord[] | undefined {
  const sets = cloud.store.state.rrsets.filter((rrset) => rrset.zone === zone.id);
  const wanted = relative(name, zone);
  const own = sets.filter((rrset) => rrset.name === wanted);
  if (own.length > 0) {
    return own;
  }
  // A name with names below it exists, although it has no records (RFC 8020).
  if (sets.some((rrset) => rrset.name.endsWith(`.${wanted}`))) {
    return [];
  }
  const labels = wanted.split(".");
  for (let cut = 1; cut <= labels.length; cut++) {
    const found = sets.filter((rrset) => rrset.name === ["*", ...labels.slice(cut)].join("."));
    if (found.length > 0) {
      return found;
    }
  }
  return undefined;
}

function records(zone: ZoneRecord, name: string, rrset: RrsetRecord): DnsRecord[] {
  const { type } = rrset;
  if (!isServed(type)) {
    return [];
  }
  const values = type === "SOA" ? [soaValue(zone)] : rrset.records.map((record) => record.value);
  return values.map((value) => {
    const [priority, target = ""] = value.split(/\s+/);
    const full =
      type === "CNAME" || type === "NS"
        ? absolute(value, zone)
        : type === "MX"
          ? `${priority} ${absolute(target, zone)}`
          : value;
    return { name, type, ttl: rrset.ttl ?? zone.ttl, value: full };
  });
}

/** The answer from the cloud's zones; REFUSED for names in none of them. Type ANY returns all record sets of the name. */
function resolve(cloud: Cloud, name: string, type: string): DnsAnswer {
  const first = zoneOf(cloud, name);
  if (!first) {
    return { code: responseCodes.refused, answers: [], authority: [] };
  }
  const answers: DnsRecord[] = [];
  let code: number = responseCodes.ok;
  let zone: ZoneRecord | undefined = first;
  let current = name;
  for (let step = 0; zone && step < longestChain; step++) {
    const sets = setsOf(cloud, zone, current);
    if (!sets) {
      code = responseCodes.nameError;
      break;
    }
    const matching = sets.filter((rrset) => type === "ANY" || rrset.type === type);
    const alias = sets.find((rrset) => rrset.type === "CNAME");
    for (const rrset of matching.length > 0 ? matching : alias ? [alias] : []) {
      answers.push(...records(zone, current, rrset));
    }
    if (matching.length > 0 || !alias) {
      break;
    }
    current = absolute(alias.records[0]?.value ?? "", zone);
    zone = zoneOf(cloud, current);
  }
  const soa: DnsRecord = { name: first.name, type: "SOA", ttl: first.ttl, value: soaValue(first) };
  return { code, answers, authority: answers.length === 0 ? [soa] : [] };
}

function respond(cloud: Cloud, message: Buffer, limit: number): Buffer | undefined {
  const query = readQuery(message);
  if (query === undefined) return undefined;
  const { name, type } = query.question;
  return writeAnswer(query, resolve(cloud, name.toLowerCase(), type), limit);
}

function serveTcp(cloud: Cloud, socket: Socket): void {
  let pending = Buffer.alloc(0);
  socket.setTimeout(tcpIdleMilliseconds, () => socket.destroy());
  socket.on("error", () => socket.destroy());
  socket.on("data", (chunk) => {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
      const length = pending.readUInt16BE(0);
      const answer = respond(cloud, pending.subarray(2, 2 + length), tcpLimit);
      pending = pending.subarray(2 + length);
      if (!answer) {
        socket.destroy();
        return;
      }
      const prefix = Buffer.alloc(2);
      prefix.writeUInt16BE(answer.length);
      socket.write(Buffer.concat([prefix, answer]));
    }
  });
}

interface RunningDns {
  /** `198.18.0.1:53` */
  readonly address: string;
  close(): Promise<void>;
}

/** Answers DNS queries from the cloud's zones over UDP and TCP. Port 0 selects a free port. Throws when the port is taken. */
export async function serveDns(
  cloud: Cloud,
  listen: { readonly host: string; readonly port: number },
): Promise<RunningDns> {
  const sockets = new Set<Socket>();
  const tcp = createServer((socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    serveTcp(cloud, socket);
  });
  await new Promise<void>((done, fail) => {
    tcp.once("error", fail);
    tcp.listen(listen.port, listen.host, done);
  });
  const { port } = tcp.address() as AddressInfo;
  const udp: UdpSocket = createSocket(listen.host.includes(":") ? "udp6" : "udp4");
  udp.on("message", (message, from) => {
    const answer = respond(cloud, message, udpLimit);
    if (answer) {
      udp.send(answer, from.port, from.address);
    }
  });
  const closeTcp = async () => {
    for (const socket of sockets) {
      socket.destroy();
    }
    await new Promise<void>((done) => tcp.close(() => done()));
  };
  try {
    await new Promise<void>((done, fail) => {
      udp.once("error", fail);
      udp.bind(port, listen.host, done);
    });
  } catch (error) {
    await closeTcp();
    throw error;
  }
  return {
    address: `${listen.host}:${port}`,
    async close() {
      await closeTcp();
      await new Promise<void>((done) => udp.close(() => done()));
    },
  };
}
