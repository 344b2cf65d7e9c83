/** How long to wait before the next try. Pure: the caller brings the randomness. */

const BASE_MS = 250;
const LIMIT_MS = 8_000;

/**
 * Milliseconds before try number `attempt` (1 is the first repetition): doubling from 250 ms to 8 s,
 * spread over the upper half so that many viewers do not come back at the same instant.
 *
 * @param random a number in [0, 1)
 */
export function backoffMs(attempt: number, random: number): number {
  const ceiling = Math.min(LIMIT_MS, BASE_MS * 2 ** Math.max(0, attempt - 1));
  return Math.round(ceiling * (0.5 + random / 2));
}
