/**
 * Notices a picture that hangs although it should run, and says what to try. Pure. hls.js nudges
 * over small holes by itself; this is for what it gives up on.
 */

/** How long a picture may stand still before the next thing is tried. */
const PATIENCE_MS = 4_000;
/** A still picture at the end of an ended playlist has simply ended. */
const END_MS = 1_000;
/** After so many looks with movement a cure has worked. */
const RECOVERED_LOOKS = 4;

/** One look at the video element. */
export interface Look {
  /** Playing is wanted: not paused by the viewer, not seeking. */
  expected: boolean;
  /** Seconds. */
  position: number;
  /** Whether the playlist has ended and the position is at its end. */
  atEnd: boolean;
}

/** What to try. */
export type Cure = 'none' | 'seek' | 'reload' | 'end';

/** The memory of one playback. */
export class Watchdog {
  #position = -1;
  #stillSinceMs = 0;
  #movingLooks = 0;
  #sought = false;

  /** To be asked about twice a second. */
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
