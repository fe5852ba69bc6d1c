import { describe, expect, test } from "vitest";
import type { StackStatus } from "../../ops/status.ts";
import { statusPage } from "../../ops/status-page.ts";
import { saved, status } from "./status-fixture.ts";

const hostile = `</td><script>alert("x")</script><img src=https://evil.example onerror='x'> & co`;
const about = { stack: "production", time: new Date("2026-11-26T17:00:00Z") };

/** What a browser shows: the text between the tags, entities read. */
function shown(html: string): string {
  const entities: Record<string, string> = { lt: "<", gt: ">", quot: '"', "#39": "'", amp: "&" };
  return html
    .replaceAll(/<style>.*?<\/style>/gs, "")
    .replaceAll(/<[^>]*>/g, "\n")
    .replaceAll(/&(lt|gt|quot|#39|amp);/g, (_all, name: string) => entities[name] ?? "");
}

/** Every value of the JSON, with the keys of records whose keys are names. */
function leaves(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(leaves);
  if (typeof value === "object" && value !== null)
    return Object.entries(value).flatMap(([key, each]) => [
      ...(key.includes(" ") ? [key] : []),
      ...leaves(each),
    ]);
  if (value === null) return [];
  if (typeof value === "boolean") return [value ? "yes" : "no"];
  return [String(value)];
}

describe("the status as a page", () => {
  test("has every value of status --json, and the problems at its top", () => {
    const lines = shown(statusPage(status, about));
    const missing = leaves(JSON.parse(JSON.stringify(status))).filter((value) => !lines.includes(value));
    expect(missing).toEqual([]);
    const top = lines.slice(0, lines.indexOf("\nHealth"));
    expect(top).toContain("is STALE");
    expect(top).toContain("SSH is open for 203.0.113.7/32 and was forgotten");
    expect(top).toContain("togather-jwt is 400 days old");
    expect(top).toContain("2026-11-26T17:00:00Z");
  });

  test("says first which disk is full and which certificate was not renewed", () => {
    const [disk] = status.disks;
    const [certificate] = status.certificates;
    if (disk === undefined || certificate === undefined) throw new Error("the fixture has both");
    const html = statusPage(
      {
        ...status,
        disks: [{ ...disk, freeMebibytes: 100 }],
        certificates: [{ ...certificate, expires: "2026-12-01T00:00:00Z" }],
      },
      about,
    );
    const lines = shown(html);
    expect(lines).toContain("main: /mnt/data has 100 MiB left");
    expect(lines).toContain("main: the certificate of togather.example expires at 2026-12-01T00:00:00Z");
    expect(shown(statusPage(status, about))).not.toMatch(/MiB left|expires at/);
  });

  test("shows a part that it does not know, and one that is empty", () => {
    const more = { ...status, disks: [], later: [{ host: "main", wrong: "quota 91 %" }] } as StackStatus;
    const lines = shown(statusPage(more, about));
    expect(lines).toContain("later");
    expect(lines).toContain("quota 91 %");
    expect(lines).toMatch(/Disks\s+none/);
  });

  test("is one file that runs nothing and asks nobody", () => {
    const html = statusPage(status, about);
    expect(html).not.toMatch(/<script|<link|<img|<iframe|@import|url\(|\son\w+=|\bsrc=|\bhref=/i);
    expect(html).toContain("default-src 'none'");
    expect(html).toContain("prefers-color-scheme:dark");
    expect(html).toContain('name="viewport"');
  });

  test("takes nothing for HTML that a name, an answer or a key says", () => {
    const turned = JSON.parse(
      JSON.stringify(status, (_key, value) => (typeof value === "string" && value !== "" ? hostile : value)),
    ) as StackStatus;
    const first = turned.backups[0];
    if (first?.sources === undefined) throw new Error("no backup");
    const named = {
      ...turned,
      backups: [{ ...first, sources: { [hostile]: saved } }],
      [hostile]: [{ [hostile]: hostile }],
    };
    const html = statusPage(named, { ...about, stack: hostile });
    const tags = [...html.matchAll(/<\/?([a-z0-9]+)/gi)].map(([, name]) => name);
    const own = [...statusPage(status, about).matchAll(/<\/?([a-z0-9]+)/gi)].map(([, name]) => name);
    expect([...new Set(tags)].sort()).toEqual([...new Set(own)].sort());
    expect(html).not.toContain("<script");
    expect(html).not.toMatch(/data-name="[^"]*[<>'][^"]*"/);
    expect(shown(html)).toContain(hostile);
  });
});
