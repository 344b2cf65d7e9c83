/** Configuration of hls.js; every value says why it differs from the default. */

import type { HlsConfig } from 'hls.js';

import { AheadLoader } from './ahead-loader.ts';
import { AudioController, FairErrorController, MainController } from './controllers.ts';
import { isHere, viewerHeaders } from '../viewer.ts';
import { rememberedBandwidth } from './bandwidth.ts';
import { ownTask } from './own-task.ts';

/** Playlists, and which edge to use. */
const NAMED = /\.m3u8|\/steering\.json/;

/**
 * Requests for them say who watches, unless they go to an edge on another site: there, the browser would
 * ask for leave before each of them. Viewers count by the status that the page asks for, too.
 */
function nameViewer(request: XMLHttpRequest, url: string): void {
  if (!NAMED.test(url) || !isHere(url)) return;
  if (!request.readyState) request.open('GET', url, true);
  for (const [name, value] of Object.entries(viewerHeaders())) request.setRequestHeader(name, value);
}

/**
 * hls.js asks for parts and the next playlist while it is still busy with the last one. On a phone, each request
 * costs some milliseconds, so each is made on its own.
 */
async function prepare(request: XMLHttpRequest, url: string): Promise<void> {
  await ownTask();
  nameViewer(request, url);
}

/** Configuration of one playback. */
export function hlsConfig(): Partial<HlsConfig> {
  return {
    lowLatencyMode: true,
    // The first answers are there before hls.js is; see ahead.ts.
    loader: AheadLoader,
    // Some starts would freeze; see first-part.ts.
    streamController: MainController,
    audioStreamController: AudioController,
    // Edges would be shunned for an error of hls.js itself.
    errorController: FairErrorController,
    xhrSetup: prepare,
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
