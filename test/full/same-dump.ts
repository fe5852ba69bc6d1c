import { expect } from "vitest";

/**
 * Fails with the lines that only one of two dumps has. Their order does not count: a restored database lists the same
 * permissions, and keeps the same rows, in another one.
 */
export function expectSameDump(after: string, before: string): void {
  const only = (text: string, other: string) => {
    const left = new Map<string, number>();
    for (const line of other.split("\n")) left.set(line, (left.get(line) ?? 0) + 1);
    const lines = text.split("\n").filter((line) => {
      const count = left.get(line) ?? 0;
      left.set(line, count - 1);
      return count < 1;
    });
    return lines.slice(0, 10).map((line) => line.slice(0, 200));
  };
  expect({ gone: only(before, after), come: only(after, before) }).toEqual({ gone: [], come: [] });
}
