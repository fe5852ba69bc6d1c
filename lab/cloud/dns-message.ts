import {
  type Answer,
  AUTHORITATIVE_ANSWER,
  decode,
  encode,
  type Question,
  RECURSION_DESIRED,
  TRUNCATED_RESPONSE,
} from "dns-packet";

/** Record types that the lab's DNS answers with. */
export const recordTypes = ["A", "AAAA", "CAA", "CNAME", "MX", "NS", "SOA", "TXT"] as const;
export type RecordType = (typeof recordTypes)[number];

/** RCODEs of RFC 1035. */
export const responseCodes = { ok: 0, nameError: 3, refused: 5 } as const;

export interface DnsRecord {
  readonly name: string;
  readonly type: RecordType;
  readonly ttl: number;
  /** As in a zone file. */
  readonly value: string;
}

export interface DnsAnswer {
  readonly code: number;
  readonly answers: readonly DnsRecord[];
  readonly authority: readonly DnsRecord[];
}

interface Query {
  readonly id: number;
  readonly recursionDesired: boolean;
  /** In the letter case of the query, which the answer repeats. */
  readonly question: Question;
}

/** The query in a message; undefined unless it is a standard query with one question of class IN. */
export function readQuery(message: Buffer): Query | undefined {
  try {
    const { type, id = 0, flags = 0, questions = [] } = decode(message);
    const [question, ...others] = questions;
    const opcode = (flags >> 11) & 0xf;
    if (type !== "query" || opcode !== 0 || others.length > 0 || question?.class !== "IN") return undefined;
    return { id, recursionDesired: (flags & RECURSION_DESIRED) !== 0, question };
  } catch {
    return undefined;
  }
}

/**
 * An authoritative answer; truncated to its header and question when it is longer than `limit`, so that the client repeats the query
 * over TCP.
 */
export function writeAnswer(
  { id, recursionDesired, question }: Query,
  answer: DnsAnswer,
  limit: number,
): Buffer {
  const header = {
    type: "response" as const,
    id,
    flags:
      answer.code |
      (answer.code === responseCodes.refused ? 0 : AUTHORITATIVE_ANSWER) |
      (recursionDesired ? RECURSION_DESIRED : 0),
    questions: [question],
  };
  const whole = encode({
    ...header,
    answers: answer.answers.map(toWire),
    authorities: answer.authority.map(toWire),
  });
  return whole.length <= limit ? whole : encode({ ...header, flags: header.flags | TRUNCATED_RESPONSE });
}

function toWire({ name, type, ttl, value }: DnsRecord): Answer {
  const [first = "", second = "", ...others] = value.split(/\s+/);
  switch (type) {
    case "MX":
      return { name, type, ttl, data: { preference: Number(first), exchange: second } };
    case "SOA": {
      const [serial, refresh, retry, expire, minimum] = others.map(Number);
      return {
        name,
        type,
        ttl,
        data: { mname: first, rname: second, serial, refresh, retry, expire, minimum },
      };
    }
    case "TXT": {
      const texts = [...value.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, text = ""]) =>
        text.replace(/\\(.)/g, "$1"),
      );
      return { name, type, ttl, data: texts };
    }
    case "CAA": {
      // The library's type has only three of the existing tags.
      const tag = second as "issue";
      return {
        name,
        type,
        ttl,
        data: { flags: Number(first), tag, value: others.join(" ").replace(/^"|"$/g, "") },
      };
    }
    default:
      return { name, type, ttl, data: value };
  }
}
