import { setTimeout as sleep } from "node:timers/promises";

/**
 * Calls a function repeatedly until it returns something other than `undefined` and `false`. An exception counts as
 * no result.
 *
 * @throws Error when that takes longer than `seconds`; its cause is the last exception.
 */
export async function until<T>(
  what: string,
  seconds: number,
  look: () => Promise<T | undefined | false>,
): Promise<T> {
  const end = Date.now() + seconds * 1000;
  let last: unknown;
  while (Date.now() < end) {
    const found = await look().catch((error: unknown) => {
      last = error;
      return undefined;
    });
    if (found !== undefined && found !== false) return found;
    await sleep(50);
  }
  throw new Error(`${what}: not within ${seconds} s`, { cause: last });
}
