/** The bandwidth estimate, kept from visit to visit. */

const BANDWIDTH_KEY = 'weir.bandwidth';
/** Bandwidth estimate of a first visit: enough for 720p, and corrected after one segment. */
const FIRST_GUESS_BPS = 4_000_000;

/** Bandwidth estimate of the last visit, or a first guess, in bits per second. */
export function rememberedBandwidth(): number {
  try {
    const stored = Number(localStorage.getItem(BANDWIDTH_KEY));
    return Number.isFinite(stored) && stored > 100_000 ? stored : FIRST_GUESS_BPS;
  } catch {
    return FIRST_GUESS_BPS;
  }
}

/** Saves the estimate for the next visit, if the browser allows storage. */
export function rememberBandwidth(bitsPerSecond: number): void {
  try {
    localStorage.setItem(BANDWIDTH_KEY, String(Math.round(bitsPerSecond)));
  } catch {
    // A page embedded in another site may have no storage.
  }
}
