/**
 * `window.weir`: a small handle for the console, for tests and for benches. Stable are `name`,
 * `view`, `video`, `hls`, `latency()` and `buffered()`.
 */

import { bufferedAhead } from './engine.ts';
import type { Player } from './player.ts';

/** See the module. */
export interface Handle {
  readonly name: string;
  /** `playing`, `waiting`, … as in `lifecycle.ts`. */
  readonly view: string;
  readonly video: HTMLVideoElement;
  /** The hls.js instance while one is loaded, else `null`. */
  readonly hls: unknown;
  /** Seconds behind the live edge, or `null`. */
  latency(): number | null;
  /** Seconds between the picture's EXT-X-PROGRAM-DATE-TIME and this machine's clock, or `null`. */
  wallLatency(): number | null;
  /** Seconds playable without another request. */
  buffered(): number;
}

/** Installs it. */
export function exposeHandle(player: Player): void {
  const handle: Handle = {
    name: player.name,
    video: player.video,
    get view() {
      return player.view;
    },
    get hls() {
      return player.engine?.hls ?? null;
    },
    latency: () => player.engine?.readings().latency ?? null,
    wallLatency: () => player.engine?.readings().wallLatency ?? null,
    buffered: () => bufferedAhead(player.video),
  };
  Object.assign(window, { weir: handle });
}
