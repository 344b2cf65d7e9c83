/** Delay before the next try. Pure: the caller supplies the random number. */

const BASE_MS = 250;
const LIMIT_MS = 8_000;

/**
 * Milliseconds before try number `attempt` (1 is the first repetition): 250 ms, doubled with every
 * try up to 8 s. A random part of up to half keeps many viewers from returning at the same instant.
 *
 * @param random a number in [0, 1)
 */
export function backoffMs(attempt: number, random: number): number {
  const ceiling = Math.min(LIMIT_MS, BASE_MS * 2 ** Math.max(0, attempt - 1));
  return Math.round(ceiling * (0.5 + random / 2));
}
