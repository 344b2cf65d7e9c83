/** How weir wants hls.js to behave; each value says why it differs from the default. */

import type { HlsConfig } from 'hls.js';

const BANDWIDTH_KEY = 'weir.bandwidth';
/** Without a memory: enough for 720p, and one segment corrects it. */
const FIRST_GUESS_BPS = 4_000_000;

/** The estimate of the last visit, or a first guess; bits per second. */
export function rememberedBandwidth(): number {
  try {
    const stored = Number(localStorage.getItem(BANDWIDTH_KEY));
    return Number.isFinite(stored) && stored > 100_000 ? stored : FIRST_GUESS_BPS;
  } catch {
    return FIRST_GUESS_BPS;
  }
}

/** Keeps an estimate for the next visit. Storage may be forbidden: then there is no memory. */
export function rememberBandwidth(bitsPerSecond: number): void {
  try {
    localStorage.setItem(BANDWIDTH_KEY, String(Math.round(bitsPerSecond)));
  } catch {
    // A page embedded in another site may have no storage.
  }
}

/** The configuration of one playback. */
export function hlsConfig(): Partial<HlsConfig> {
  return {
    lowLatencyMode: true,
    // CMAF is passed through, not remuxed: a worker would cost its start and save next to nothing.
    enableWorker: false,
    // The first picture should be the one that stays, not a test of the lowest rung.
    startLevel: -1,
    testBandwidth: false,
    abrEwmaDefaultEstimate: rememberedBandwidth(),
    abrEwmaDefaultEstimateMax: 20_000_000,
    // Pixels that cannot be shown need not be fetched.
    capLevelToPlayerSize: true,
    // Playlists and init segments are fetched while the media source is still opening.
    startFragPrefetch: true,
    // Seeking back inside the server's window need not fetch again; beyond that memory is freed.
    backBufferLength: 60,
    // Live edge: what exists is fetched anyway. Back in the window ten seconds are plenty.
    maxBufferLength: 10,
    // The Governor does both of these better at sub-second targets.
    maxLiveSyncPlaybackRate: 1,
    liveSyncOnStallIncrease: 0,
    // No text, no DRM: nothing to look for.
    enableEmsgMetadataCues: false,
    enableID3MetadataCues: false,
    enableDateRangeMetadataCues: false,
  };
}
