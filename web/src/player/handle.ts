/**
 * `window.weir`: a handle for the console, for tests and for benches. `name`, `view`, `video`,
 * `hls`, `latency()` and `buffered()` are stable.
 */

import { bufferedAhead } from './engine.ts';
import type { Player } from './player.ts';

/** The type of `window.weir`. */
export interface Handle {
  readonly name: string;
  /** A view of `lifecycle.ts`, such as `playing` or `waiting`. */
  readonly view: string;
  readonly video: HTMLVideoElement;
  /** The hls.js instance while one is loaded, otherwise `null`. */
  readonly hls: unknown;
  /** Distance from the live edge in seconds, or `null`. */
  latency(): number | null;
  /** Seconds between the picture's EXT-X-PROGRAM-DATE-TIME and this machine's clock, or `null`. */
  wallLatency(): number | null;
  /** Seconds that can be played without another request. */
  buffered(): number;
}

/** Installs the handle. */
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
