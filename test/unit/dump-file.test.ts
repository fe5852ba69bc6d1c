import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { majorVersion, parseDumpHeader, readDumpFile } from "../../ops/dump-file.ts";

/** A header as pg_dump writes it; the texts are lengths and bytes, the numbers a sign and four bytes. */
function header(about: { version?: [number, number]; format?: number; server?: string } = {}): Buffer {
  const [major, minor] = about.version ?? [1, 15];
  const number = (value: number) => {
    const bytes = Buffer.alloc(5);
    bytes.writeUInt8(value < 0 ? 1 : 0);
    bytes.writeUInt32LE(Math.abs(value), 1);
    return bytes;
  };
  const text = (value: string) => Buffer.concat([number(value.length), Buffer.from(value)]);
  return Buffer.concat([
    Buffer.from("PGDMP"),
    Buffer.from([major, minor, 0, 4, 8, about.format ?? 1]),
    minor >= 15 ? Buffer.from([1]) : number(-1),
    ...[22, 30, 14, 28, 0, 126, 0].map(number),
    ...["sertantai_legal_dev", about.server ?? "16.4", "16.4 (Debian 16.4-1)"].map(text),
  ]);
}

describe("the header of a dump", () => {
  test.each([
    ["of PostgreSQL 16", [1, 15]],
    ["of PostgreSQL 12", [1, 14]],
  ] as const)("%s says what was dumped, when and by what", (_what, [major, minor]) => {
    expect(parseDumpHeader(header({ version: [major, minor] }))).toEqual({
      database: "sertantai_legal_dev",
      server: "16.4",
      program: "16.4 (Debian 16.4-1)",
      written: "2026-01-28 14:30",
    });
  });

  test("has the major version first", () => {
    expect([majorVersion("16.4 (Debian 16.4-1)"), majorVersion("17beta1")]).toEqual([16, 17]);
  });

  const again = "; write it with pg_dump --format=custom";
  test.each<[string, Buffer, string]>([
    ["an empty file", Buffer.alloc(0), `it is empty${again}`],
    ["plain SQL", Buffer.from("--\n-- PostgreSQL database dump\n--\n"), `it is plain SQL${again}`],
    ["plain SQL of PostgreSQL 16.10", Buffer.from("\\restrict abc\n"), `it is plain SQL${again}`],
    ["gzip", Buffer.from([0x1f, 0x8b, 8, 0]), `it is compressed by gzip as a whole${again}`],
    [
      "a tar file",
      Buffer.concat([Buffer.alloc(257), Buffer.from("ustar\0")]),
      `it is a tar file, of pg_dump or another program${again}`,
    ],
    ["anything else", Buffer.from("hello"), `it is no dump of PostgreSQL${again}`],
    [
      "the contents of a folder",
      header({ format: 5 }),
      `it is a table of contents of another of pg_dump's formats${again}`,
    ],
    ["a very old one", header({ version: [1, 10] }), `its format is older than PostgreSQL 9.1's${again}`],
    ["its first bytes", header().subarray(0, 8), `it is cut off${again}`],
    ["its first line", header().subarray(0, 60), "it is truncated: it ends within its first lines"],
  ])("%s is refused by its name", (_what, head, says) => {
    expect(parseDumpHeader(head)).toBe(says);
  });

  test("is read from a file, whose name is in every refusal", () => {
    const folder = mkdtempSync(join(tmpdir(), "berth-dump-"));
    const [good, bad] = [join(folder, "good"), join(folder, "bad")];
    writeFileSync(good, Buffer.concat([header(), Buffer.alloc(10_000)]));
    writeFileSync(bad, "CREATE TABLE a ();");
    expect(readDumpFile(good)).toMatchObject({ path: good, bytes: header().length + 10_000, server: "16.4" });
    expect(() => readDumpFile(bad)).toThrow(`${bad} is refused; nothing was changed: it is plain SQL`);
    expect(() => readDumpFile(join(folder, "none"))).toThrow("none cannot be read: ENOENT");
  });
});
