import { setTimeout as sleep } from "node:timers/promises";

/**
 * Looks again and again until there is something to see: anything but `undefined` and `false`. A look that throws saw
 * nothing.
 *
 * @throws Error when that takes longer than `seconds`; its cause is what the last look threw.
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
