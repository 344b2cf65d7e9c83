/**
 * Notices a picture that hangs although it should move, and says what to try. Pure. hls.js skips
 * small gaps by itself; this handles what hls.js gives up on.
 */

/** How long a picture may stand still before the next cure is tried. */
const PATIENCE_MS = 4_000;
/**
 * How long a picture may stand still at the end of an ended playlist before that counts as the end.
 */
const END_MS = 1_000;
/** After this many looks with movement the cure has worked. */
const RECOVERED_LOOKS = 4;

/** One observation of the video element. */
export interface Look {
  /** Whether the picture should move: not paused by the viewer, not seeking. */
  expected: boolean;
  /** Position in seconds. */
  position: number;
  /** Whether the playlist has ended and the position is at its end. */
  atEnd: boolean;
}

/** What to try next. */
export type Cure = 'none' | 'seek' | 'reload' | 'end';

/** State of one playback. */
export class Watchdog {
  #position = -1;
  #stillSinceMs = 0;
  #movingLooks = 0;
  #sought = false;

  /** Call this about twice per second. */
  look({ expected, position, atEnd }: Look, nowMs: number): Cure {
    if (!expected || position !== this.#position) {
      this.#position = position;
      this.#stillSinceMs = nowMs;
      this.#movingLooks = expected ? this.#movingLooks + 1 : 0;
      if (this.#movingLooks >= RECOVERED_LOOKS) this.#sought = false;
      return 'none';
    }
    this.#movingLooks = 0;
    const stillMs = nowMs - this.#stillSinceMs;
    if (atEnd && stillMs >= END_MS) return 'end';
    if (stillMs < PATIENCE_MS) return 'none';
    this.#stillSinceMs = nowMs;
    if (this.#sought) return 'reload';
    this.#sought = true;
    return 'seek';
  }
}
