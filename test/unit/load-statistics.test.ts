import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { longestGap, percentile, report, type Sample } from "../../lab/load/statistics.ts";

const times = fc.array(fc.double({ min: 0, max: 10_000, noNaN: true }), { maxLength: 200 });

describe("percentile", () => {
  test("of nothing is zero", () => {
    expect(percentile([], 99)).toBe(0);
  });

  test("known values, nearest rank", () => {
    const hundred = Array.from({ length: 100 }, (_, index) => index + 1);
    expect(percentile(hundred, 50)).toBe(50);
    expect(percentile(hundred, 99)).toBe(99);
    expect(percentile(hundred, 100)).toBe(100);
    expect(percentile([7], 1)).toBe(7);
  });

  test("is one of the values, and that percentage of them is not greater", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer(), { minLength: 1 }),
        fc.integer({ min: 1, max: 100 }),
        (values, percent) => {
          const sorted = [...values].sort((left, right) => left - right);
          const found = percentile(sorted, percent);
          expect(sorted).toContain(found);
          const notGreater = sorted.filter((value) => value <= found).length;
          expect(notGreater).toBeGreaterThanOrEqual((percent / 100) * sorted.length - 1e-9);
          const smaller = sorted.filter((value) => value < found).length;
          expect(smaller).toBeLessThan((percent / 100) * sorted.length + 1e-9);
        },
      ),
    );
  });
});

describe("longestGap", () => {
  test("counts from the start, between answers and to the end", () => {
    expect(longestGap([], 100, 600)).toBe(500);
    expect(longestGap([400], 100, 600)).toBe(300);
    expect(longestGap([150, 250, 550], 100, 600)).toBe(300);
    expect(longestGap([550, 150, 200], 100, 600)).toBe(350);
  });

  test("does not depend on the order, is never longer than the run, and shrinks with more answers", () => {
    fc.assert(
      fc.property(times, fc.double({ min: 0, max: 10_000, noNaN: true }), (answers, another) => {
        const gap = longestGap(answers, 0, 10_000);
        expect(longestGap([...answers].reverse(), 0, 10_000)).toBe(gap);
        expect(gap).toBeGreaterThanOrEqual(10_000 / (answers.length + 1) - 1e-6);
        expect(gap).toBeLessThanOrEqual(10_000);
        expect(longestGap([...answers, another], 0, 10_000)).toBeLessThanOrEqual(gap);
      }),
    );
  });
});

describe("report", () => {
  const sample = (scheduledMs: number, rest: Partial<Sample> = {}): Sample => ({
    scheduledMs,
    sentMs: scheduledMs,
    doneMs: scheduledMs + 10,
    mode: "fresh",
    request: "GET /health",
    ...rest,
  });

  test("a failed request is counted, makes a gap, and no latency", () => {
    const samples = [
      ...Array.from({ length: 20 }, (_, index) => sample(1000 + index * 100)),
      sample(2950, { failure: "timeout", doneMs: 9999 }),
    ].map((each, index) => (index >= 5 && index < 10 ? { ...each, failure: "ECONNRESET" } : each));
    const result = report(samples, 1000, 3000);
    expect(result).toMatchObject({ requests: 21, failures: 6, p99Ms: 10, maxMs: 10, longestGapMs: 600 });
    expect(result.failureKinds.map(({ kind, count }) => [kind, count])).toEqual([
      ["ECONNRESET", 5],
      ["timeout", 1],
    ]);
    expect(result.failureKinds[0]?.examples).toHaveLength(3);
    expect(result.failureKinds[0]?.examples[0]).toMatchObject({ second: 0.51, mode: "fresh" });
    expect(result.timeline.map(({ requests, failures }) => [requests, failures])).toEqual([
      [10, 5],
      [11, 1],
    ]);
  });

  test("latency is measured from the scheduled time, and the report has the client's own delay", () => {
    const result = report([sample(0, { sentMs: 40, doneMs: 50 })], 0, 1000);
    expect(result).toMatchObject({ maxMs: 50, clientDelayMs: 40 });
  });

  test("versions in order of appearance, with the time during which each answered", () => {
    const result = report(
      [sample(0, { version: "v1" }), sample(1000, { version: "v2" }), sample(2000, { version: "v1" })],
      0,
      3000,
    );
    expect(result.versions).toEqual([
      { version: "v1", requests: 2, firstSecond: 0.01, lastSecond: 2.01 },
      { version: "v2", requests: 1, firstSecond: 1.01, lastSecond: 1.01 },
    ]);
  });

  test("every request is in exactly one mode, one second, and is a success or in one kind of failure", () => {
    const anySample = fc
      .record({
        scheduledMs: fc.integer({ min: 0, max: 60_000 }),
        took: fc.integer({ min: 0, max: 10_000 }),
        mode: fc.constantFrom("keep-alive" as const, "fresh" as const),
        failure: fc.option(fc.constantFrom("timeout", "status 502", "ECONNRESET"), { nil: undefined }),
      })
      .map(({ scheduledMs, took, mode, failure }) =>
        sample(scheduledMs, { mode, doneMs: scheduledMs + took, ...(failure ? { failure } : {}) }),
      );
    fc.assert(
      fc.property(fc.array(anySample, { maxLength: 100 }), (samples) => {
        const result = report(samples, 0, 60_000);
        const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
        expect(result.requests).toBe(samples.length);
        expect(result.modes["keep-alive"].requests + result.modes.fresh.requests).toBe(samples.length);
        expect(sum(result.failureKinds.map(({ count }) => count))).toBe(result.failures);
        expect(sum(result.timeline.map(({ requests }) => requests))).toBe(samples.length);
        expect(sum(result.timeline.map(({ failures }) => failures))).toBe(result.failures);
      }),
    );
  });
});
