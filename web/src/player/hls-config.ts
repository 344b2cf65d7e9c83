/** Configuration of hls.js; every value says why it differs from the default. */

import type { HlsConfig } from 'hls.js';

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

/** Configuration of one playback. */
export function hlsConfig(): Partial<HlsConfig> {
  return {
    lowLatencyMode: true,
    // CMAF needs no remuxing, so a worker would cost time at the start and save almost nothing.
    enableWorker: false,
    // The first rendition should be the final one, not a bandwidth test with the lowest rung.
    startLevel: -1,
    testBandwidth: false,
    abrEwmaDefaultEstimate: rememberedBandwidth(),
    abrEwmaDefaultEstimateMax: 20_000_000,
    // The player fetches no more pixels than it can show.
    capLevelToPlayerSize: true,
    // Playlists and init segments are fetched while the media source is still opening.
    startFragPrefetch: true,
    // Seeking back within the server's window needs no new requests; older media is freed.
    backBufferLength: 60,
    // At the live edge everything available is fetched anyway; further back ten seconds are enough.
    maxBufferLength: 10,
    // At targets below one second the Governor does both of these better.
    maxLiveSyncPlaybackRate: 1,
    liveSyncOnStallIncrease: 0,
    // There are no text tracks and no timed metadata to look for.
    enableEmsgMetadataCues: false,
    enableID3MetadataCues: false,
    enableDateRangeMetadataCues: false,
  };
}
