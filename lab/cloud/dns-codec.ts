/** As much of DNS's wire format (RFC 1035) as an authoritative server of a few record types needs. */
import { isIPv6 } from "node:net";

export const recordTypes = { A: 1, NS: 2, CNAME: 5, SOA: 6, MX: 15, TXT: 16, AAAA: 28, CAA: 257 } as const;
export type RecordType = keyof typeof recordTypes;

export const responseCodes = { ok: 0, formatError: 1, nameError: 3, notImplemented: 4, refused: 5 } as const;

/** Question type that asks for everything there is. */
export const anyType = 255;

export interface Question {
  readonly id: number;
  readonly recursionDesired: boolean;
  /** Lower case, without the dot at the end. */
  readonly name: string;
  readonly type: number;
  /** The question's bytes as they came: an answer repeats them, letter case included. */
  readonly raw: Buffer;
}

export interface DnsRecord {
  readonly name: string;
  readonly type: RecordType;
  readonly ttl: number;
  /** As in a zone file. */
  readonly value: string;
}

const headerLength = 12;

/** The one question of a query; undefined for what is no query of class IN. */
export function readQuestion(message: Buffer): Question | undefined {
  if (message.length < headerLength || message.readUInt16BE(4) !== 1) {
    return undefined;
  }
  const flags = message.readUInt16BE(2);
  const isResponse = (flags & 0x8000) !== 0;
  const opcode = (flags >> 11) & 0xf;
  if (isResponse || opcode !== 0) {
    return undefined;
  }
  const labels: string[] = [];
  let at = headerLength;
  for (;;) {
    const length = message[at];
    if (length === undefined || length > 63) {
      return undefined;
    }
    at++;
    if (length === 0) {
      break;
    }
    labels.push(message.toString("latin1", at, at + length).toLowerCase());
    at += length;
  }
  if (message.length < at + 4 || message.readUInt16BE(at + 2) !== 1) {
    return undefined;
  }
  return {
    id: message.readUInt16BE(0),
    recursionDesired: (flags & 0x0100) !== 0,
    name: labels.join("."),
    type: message.readUInt16BE(at),
    raw: message.subarray(headerLength, at + 4),
  };
}

function encodeName(name: string): Buffer {
  const labels = name.replace(/\.$/, "").split(".").filter(Boolean);
  return Buffer.concat([
    ...labels.flatMap((label) => [Buffer.from([label.length]), Buffer.from(label, "latin1")]),
    Buffer.from([0]),
  ]);
}

function encodeIpv6(text: string): Buffer {
  if (!isIPv6(text)) {
    throw new Error(`"${text}" is not an IPv6 address`);
  }
  const [head = "", tail] = text.split("::");
  const groups = (part: string | undefined) => (part ? part.split(":") : []);
  const [front, back] = [groups(head), groups(tail)];
  const zeros = tail === undefined ? [] : Array(8 - front.length - back.length).fill("0");
  const bytes = Buffer.alloc(16);
  [...front, ...zeros, ...back].forEach((group: string, index) => {
    bytes.writeUInt16BE(Number.parseInt(group, 16), index * 2);
  });
  return bytes;
}

function uint(value: number, bytes: 2 | 4): Buffer {
  const buffer = Buffer.alloc(bytes);
  buffer.writeUIntBE(value, 0, bytes);
  return buffer;
}

function encodeValue(type: RecordType, value: string): Buffer {
  const words = value.split(/\s+/);
  switch (type) {
    case "A":
      return Buffer.from(value.split(".").map(Number));
    case "AAAA":
      return encodeIpv6(value);
    case "NS":
    case "CNAME":
      return encodeName(value);
    case "MX":
      return Buffer.concat([uint(Number(words[0]), 2), encodeName(words[1] ?? "")]);
    case "SOA":
      return Buffer.concat([
        encodeName(words[0] ?? ""),
        encodeName(words[1] ?? ""),
        ...words.slice(2).map((word) => uint(Number(word), 4)),
      ]);
    case "TXT": {
      const texts = [...value.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, text = ""]) =>
        Buffer.from(text.replace(/\\(.)/g, "$1")),
      );
      return Buffer.concat(texts.flatMap((text) => [Buffer.from([text.length]), text]));
    }
    case "CAA": {
      const tag = Buffer.from(words[1] ?? "");
      const text = Buffer.from(words.slice(2).join(" ").replace(/^"|"$/g, ""));
      return Buffer.concat([Buffer.from([Number(words[0]), tag.length]), tag, text]);
    }
  }
}

function encodeRecord(record: DnsRecord): Buffer {
  const value = encodeValue(record.type, record.value);
  return Buffer.concat([
    encodeName(record.name),
    uint(recordTypes[record.type], 2),
    uint(1, 2),
    uint(record.ttl, 4),
    uint(value.length, 2),
    value,
  ]);
}

export interface DnsAnswer {
  readonly code: number;
  readonly answers: readonly DnsRecord[];
  readonly authority: readonly DnsRecord[];
}

/** An authoritative answer; cut down to its header and question when it is longer than `limit`, so that one asks over TCP. */
export function writeAnswer(question: Question, answer: DnsAnswer, limit: number): Buffer {
  const make = (answers: readonly DnsRecord[], authority: readonly DnsRecord[], truncated: boolean) => {
    const authoritative = answer.code === responseCodes.refused ? 0 : 0x0400;
    const flags =
      0x8000 |
      authoritative |
      (truncated ? 0x0200 : 0) |
      (question.recursionDesired ? 0x0100 : 0) |
      answer.code;
    return Buffer.concat([
      uint(question.id, 2),
      uint(flags, 2),
      uint(1, 2),
      uint(answers.length, 2),
      uint(authority.length, 2),
      uint(0, 2),
      question.raw,
      ...[...answers, ...authority].map(encodeRecord),
    ]);
  };
  const whole = make(answer.answers, answer.authority, false);
  return whole.length <= limit ? whole : make([], [], true);
}
